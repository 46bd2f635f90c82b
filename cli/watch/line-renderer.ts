/** One line a step, or one JSON a state: for logs, pipes and programs. Nobody can be asked for a code there. */
import type { PublicView } from '../../core/domain/record.ts'
import { type Context, jsonLines } from '../terminal.ts'
import type { Renderer } from './renderer.ts'

export function createLineRenderer(context: Context): Renderer {
  let last = ''
  /** A line a step: how far it is within one is told with the next. */
  const tell = (view: PublicView): void => {
    const line = printed(view)
    if (context.json) context.printJson(view, { inOneLine: true })
    else if (line !== last) {
      const percent = `${String(view.progress).padStart(3)} %`
      context.print(`${view.updated_at.slice(11, 19)}  ${percent}  ${line}`)
    }
    last = line
  }
  return {
    show: async (view) => tell(view),
    end(view) {
      tell(view)
      if (view.is_completed && !context.json) context.print(...jsonLines(view.result_data))
    },
  }
}

function printed(view: PublicView): string {
  const { status, step, current_message: message, queue_position: place } = view
  const what = [status, step, message]
  if (view.requires_otp) what.push(`Type the code${sentTo(view)} on the request's page.`)
  if (status === 'pending' && place !== null) what.push(`place ${place} in the queue`)
  if (status === 'pending' && view.run_at) what.push(`starts at ${view.run_at}`)
  if (view.next_retry_at) what.push(`next try at ${view.next_retry_at}`)
  return what.filter(Boolean).join('  ')
}

const sentTo = ({ otp_data: prompt }: PublicView): string =>
  prompt?.sent_to ? ` sent to ${prompt.sent_to}` : ''
