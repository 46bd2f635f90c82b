/** Renderer for an interactive terminal: a progress bar, and a prompt when a code or another answer is needed. */

import type { RequestActions } from '../../core/actions/request-actions.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { OtpPrompt, PublicView } from '../../core/domain/record.ts'
import { type Context, describeError, jsonLines } from '../terminal.ts'
import { askQuestion, RESEND_WORD } from './ask-question.ts'
import { type Bar, createPrompts } from './prompts.ts'
import type { Renderer } from './renderer.ts'

export function createBarRenderer(context: Context, requests: RequestActions): Renderer {
  const prompts = createPrompts(context)
  let bar: Bar | null = null
  let shownProgress = 0

  function update(view: PublicView): void {
    if (!bar) {
      bar = prompts.startBar(statusLine(view))
      shownProgress = 0
    }
    bar.advance(view.progress - shownProgress, statusLine(view))
    shownProgress = view.progress
  }
  function stopBar(last: string): void {
    bar?.stop(last)
    bar = null
  }

  async function promptForOtp(view: PublicView, prompt: OtpPrompt, changed: AbortSignal): Promise<void> {
    stopBar(statusLine(view))
    const isCode = prompt.kind === 'code'
    const [wrong, answered] = isCode ? ['code', 'the code can be typed'] : ['answer', 'it can be answered']
    if (prompt.error) prompts.warn(`Wrong ${wrong}; ${prompt.attempts_left} tries are left.`)
    const typed = await askQuestion(prompts, prompt, changed)
    if (changed.aborted) return
    if (typed === null) return prompts.info(`Waiting; ${answered} on the request’s page, too.`)
    try {
      await (typed.trim() === RESEND_WORD && (isCode || prompt.resend_available_at !== null)
        ? requests.resendOtp(view.hash)
        : requests.submitOtp(view.hash, typed))
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      const retryHint = error.retryAfterSeconds ? ` Try again in ${error.retryAfterSeconds} s.` : ''
      prompts.error(`${describeError(error)}${retryHint}`)
      if (!changed.aborted) await promptForOtp(view, { ...prompt, error: null }, changed)
    }
  }

  return {
    async show(view, changed) {
      if (view.requires_otp && view.otp_data) await promptForOtp(view, view.otp_data, changed)
      else update(view)
    },
    end(view) {
      if (!view.is_completed && !view.is_failed && !view.is_cancelled)
        return stopBar('Stopped watching; the request continues.')
      update(view)
      stopBar(statusLine(view))
      if (view.is_completed) context.print(...jsonLines(view.result_data))
      if (view.is_failed) prompts.error(`${view.error_data?.code}: ${view.error_data?.message}`)
    },
  }
}

function statusLine(view: PublicView): string {
  const { progress: percent, current_message: message, queue_position: position, run_at: runAt } = view
  if (view.status !== 'pending') return `${percent} %  ${message ?? view.status}`
  if (position !== null) return `Waiting, position ${position} in the queue`
  return runAt ? `Starts at ${runAt}` : 'Waiting'
}
