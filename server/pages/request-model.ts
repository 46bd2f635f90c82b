/** What the pages of one request show: running, waiting for a code, or at its end. */
import { isExpiring, type PublicView } from '../../core/record.ts'
import { type Described, describe, took } from '../../core/texts/describe.ts'
import { isTextKey, type LiveKey, type Texts } from '../../core/texts/index.ts'
import { promptProblem } from './code-problem.ts'
import { type RequestLinks, requestLinks } from './links.ts'
import { arrangeResult, type ResultNode } from './result-data.ts'
import { shownService } from './shown-service.ts'
import { whoseTurn } from './whose-turn.ts'

/** What the browser is handed with the page, so that it can go on from there. */
export interface PageData {
  view: PublicView
  /** The server's clock in milliseconds: countdowns do not trust the viewer's. */
  now: number
  title: string
  stepTitles: Record<string, string>
  links: Pick<RequestLinks, 'progress' | 'result' | 'status'>
  texts: Readonly<Record<LiveKey, string>>
}

export interface RequestModel {
  service: string
  described: Described
  view: PublicView
  links: RequestLinks
  /** It is about to be deleted. */
  isExpiring: boolean
  data: PageData
}

export function requestModel(view: PublicView, { t, locale, live }: Texts, now: number): RequestModel {
  const { title, stepTitles } = shownService(view, locale)
  const links = requestLinks(view)
  return {
    service: title,
    described: describe(view, { t, now, title, stepTitles, remainingSeconds: view.estimated_remaining_time }),
    view,
    links,
    isExpiring: isExpiring(view, now),
    data: {
      // A result can be large and stands on the page already.
      view: { ...view, result_data: null },
      now,
      title,
      stepTitles,
      links: { progress: links.progress, result: links.result, status: links.status },
      texts: live,
    },
  }
}

export interface CodeFormModel {
  title: string
  sentTo: string | null
  message: string | null
  hint: string | null
  until: string
  error: string | null
  /** Seconds until another code may be asked for; 0 when it may now. */
  resendInSeconds: number
  resendAt: string
  resent: boolean
  focus: boolean
}

export interface CodeFormInput {
  /** What was wrong with the code just sent. */
  problem?: string
  /** Another code has just been asked for. */
  resent?: boolean
  /** The person came for the code: put the cursor there. */
  focus?: boolean
}

export function codeFormModel(
  view: PublicView,
  { t }: Texts,
  now: number,
  input: CodeFormInput,
): CodeFormModel | null {
  const prompt = view.otp_data
  if (!view.requires_otp || !prompt) return null
  const resendInSeconds = Math.max(0, Math.ceil((Date.parse(prompt.resend_available_at) - now) / 1000))
  // The address keeps saying so on a reload; the countdown tells whether it is still true, a wrong code that it is not.
  const resent = Boolean(input.resent) && !input.problem && !prompt.error && resendInSeconds > 0
  return {
    title: t('code.title'),
    sentTo: prompt.sent_to,
    // What the bot said last stands below already.
    message: prompt.message === view.current_message ? null : prompt.message,
    hint: prompt.length ? t('code.hint_length', { length: prompt.length }) : null,
    until: prompt.expires_at,
    // With a new code on its way, the time of the last one does not matter any more.
    error: input.problem ?? (resent ? null : promptProblem(t, prompt, now)),
    resendInSeconds,
    resendAt: prompt.resend_available_at,
    resent,
    focus: Boolean(input.focus),
  }
}

export interface EndModel {
  heading: string
  lead: string | null
  result: ResultNode | null
  error: { code: string; message: string } | null
  /** Who can do something about the failure. */
  turn: string | null
  /** Where a new request begins; the list of services when this one is not ours to offer. */
  again: string
  steps: { title: string; took: string | null }[]
}

export function endModel(view: PublicView, { t, locale }: Texts): EndModel {
  const { stepTitles, labelOf, known } = shownService(view, locale)
  return {
    heading: t(view.is_completed ? 'result.title' : `live.status.${view.status}`),
    lead: endLead(view, t),
    result:
      view.is_completed && view.result_data !== null
        ? arrangeResult(view.result_data, { t, locale, labelOf })
        : null,
    error: view.error_data,
    turn: view.error_data && t(whoseTurn(view.error_data)),
    again: known ? requestLinks(view)[view.is_completed ? 'form' : 'again'] : '/',
    steps: view.steps
      .filter((step) => step.started_at)
      .map((step) => ({
        title: stepTitles[step.id] ?? step.id,
        took: took(t, step.started_at, step.finished_at),
      })),
  }
}

/** Our own words where we have some for this error, else what the bot said. */
function endLead(view: PublicView, t: Texts['t']): string | null {
  if (view.is_cancelled) return t('cancelled.lead')
  if (!view.is_failed) return null
  const key = `error.${view.error_data?.code ?? ''}`
  if (isTextKey(key)) return t(key)
  return view.error_data?.message || t('failed.lead')
}
