/** Renderer for logs, pipes and programs: one line per step, or one JSON line per state. It cannot prompt for a code. */
import type { PublicView } from '../../core/domain/record.ts'
import { type Context, jsonLines } from '../terminal.ts'
import type { Renderer } from './renderer.ts'

export function createLineRenderer(context: Context): Renderer {
  let last = ''
  /** One line per step: progress within a step is printed with the next line. */
  const printState = (view: PublicView): void => {
    const line = stateLine(view)
    if (context.json) context.printJson(view, { inOneLine: true })
    else if (line !== last) {
      const percent = `${String(view.progress).padStart(3)} %`
      context.print(`${view.updated_at.slice(11, 19)}  ${percent}  ${line}`)
    }
    last = line
  }
  return {
    show: async (view) => printState(view),
    end(view) {
      printState(view)
      if (view.is_completed && !context.json) context.print(...jsonLines(view.result_data))
    },
  }
}

function stateLine(view: PublicView): string {
  const { status, step, current_message: message, queue_position: position } = view
  const parts = [status, step, message]
  if (view.requires_otp)
    parts.push(
      view.otp_data && view.otp_data.kind !== 'code'
        ? "Answer on the request's page."
        : `Type the code${sentTo(view)} on the request's page.`,
    )
  if (status === 'pending' && position !== null) parts.push(`position ${position} in the queue`)
  if (status === 'pending' && view.run_at) parts.push(`starts at ${view.run_at}`)
  if (view.next_retry_at) parts.push(`next attempt at ${view.next_retry_at}`)
  return parts.filter(Boolean).join('  ')
}

const sentTo = ({ otp_data: prompt }: PublicView): string =>
  prompt?.sent_to ? ` sent to ${prompt.sent_to}` : ''
