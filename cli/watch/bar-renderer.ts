/** A terminal with a person in front of it: a bar that moves, a prompt when a code is needed. */

import type { RequestActions } from '../../core/actions/request-actions.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { OtpPrompt, PublicView } from '../../core/domain/record.ts'
import { type Context, jsonLines, sentence } from '../terminal.ts'
import { type Bar, createPrompts } from './prompts.ts'
import type { Renderer } from './renderer.ts'

/** Typed in the place of a code. */
const ANOTHER = 'new'

export function createBarRenderer(context: Context, requests: RequestActions): Renderer {
  const prompts = createPrompts(context)
  let bar: Bar | null = null
  let shown = 0

  function move(view: PublicView): void {
    if (!bar) {
      bar = prompts.startBar(words(view))
      shown = 0
    }
    bar.advance(view.progress - shown, words(view))
    shown = view.progress
  }
  function rest(last: string): void {
    bar?.stop(last)
    bar = null
  }

  async function ask(view: PublicView, prompt: OtpPrompt, changed: AbortSignal): Promise<void> {
    rest(words(view))
    if (prompt.error) prompts.warn(`That code was not right; ${prompt.attempts_left} tries are left.`)
    const digits = prompt.length ? `${prompt.length} digits` : 'code'
    // A terminal keeps what stood in it: the code does not.
    const typed = await prompts.askSecretly(
      `Type the ${digits}${prompt.sent_to ? ` sent to ${prompt.sent_to}` : ''}, or "${ANOTHER}" for a new code`,
      { emptyHint: 'Type the code you were sent.', signal: changed },
    )
    if (changed.aborted) return
    if (typed === null) return prompts.info('Waiting; the code can be typed on the request’s page, too.')
    try {
      await (typed.trim() === ANOTHER ? requests.resendOtp(view.hash) : requests.submitOtp(view.hash, typed))
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      const wait = error.retryAfterSeconds ? ` Try again in ${error.retryAfterSeconds} s.` : ''
      prompts.error(`${sentence(error)}${wait}`)
      if (!changed.aborted) await ask(view, { ...prompt, error: null }, changed)
    }
  }

  return {
    async show(view, changed) {
      if (view.requires_otp && view.otp_data) await ask(view, view.otp_data, changed)
      else move(view)
    },
    end(view) {
      if (!view.is_completed && !view.is_failed && !view.is_cancelled)
        return rest('Not watching any more; it goes on.')
      move(view)
      rest(words(view))
      if (view.is_completed) context.print(...jsonLines(view.result_data))
      if (view.is_failed) prompts.error(`${view.error_data?.code}: ${view.error_data?.message}`)
    },
  }
}

function words(view: PublicView): string {
  const { progress: percent, current_message: message, queue_position: place, run_at: runAt } = view
  if (view.status !== 'pending') return `${percent} %  ${message ?? view.status}`
  if (place !== null) return `Waiting, place ${place} in the queue`
  return runAt ? `Starts at ${runAt}` : 'Waiting'
}
