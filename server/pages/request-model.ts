/** What the pages of one request show: running, waiting for a code, or at its end. */

import { messagesOfService } from '../../core/catalog/service-messages.ts'
import { isExpiring, isFinal, isScheduled, type PublicView } from '../../core/domain/record.ts'
import type { CompiledMessage } from '../../core/i18n/formatter.ts'
import type { LiveKey, Texts } from '../../core/i18n/index.ts'
import {
  describeRequest,
  lastMessage,
  type RequestDescription,
} from '../../core/presentation/describe-request.ts'
import { promptProblem } from './code-problem.ts'
import { type RequestLinks, requestLinks } from './links.ts'
import { localizerFor } from './message-text.ts'
import { serviceLabels } from './service-titles.ts'

/** What the browser is handed with the page, so that it can go on from there. */
export interface PageData {
  view: PublicView
  /** The server's clock in milliseconds: countdowns do not trust the viewer's. */
  now: number
  title: string
  stepTitles: Record<string, string>
  links: Pick<RequestLinks, 'progress' | 'result' | 'status'>
  texts: Readonly<Record<LiveKey, CompiledMessage>>
  /** What may be said about the request, by key; nothing more once it is over. */
  messages: Readonly<Record<string, CompiledMessage>>
}

export interface RequestModel {
  service: string
  description: RequestDescription
  view: PublicView
  links: RequestLinks
  /** When it is to begin; null once it has, or where that is at once. */
  startsAt: string | null
  /** It is about to be deleted. */
  isExpiring: boolean
  data: PageData
}

export function requestModel(view: PublicView, { t, locale, live }: Texts, now: number): RequestModel {
  const { title, stepTitles } = serviceLabels(view, locale)
  const links = requestLinks(view)
  const localize = localizerFor(view, locale)
  const remainingSeconds = view.estimated_remaining_time
  return {
    service: title,
    description: describeRequest(view, { t, read: localize, now, title, stepTitles, remainingSeconds }),
    view,
    links,
    startsAt: isScheduled(view) ? view.run_at : null,
    isExpiring: isExpiring(view, now),
    data: {
      // A result can be large and stands on the page already.
      view: { ...view, result_data: null },
      now,
      title,
      stepTitles,
      links: { progress: links.progress, result: links.result, status: links.status },
      texts: live,
      messages: isFinal(view.status) ? {} : messagesOfService(view.service_slug, locale),
    },
  }
}

export interface CodeFormModel {
  title: string
  sentTo: string | null
  message: string | null
  hint: string | null
  expiresAt: string
  error: string | null
  /** Seconds until another code may be asked for; 0 when it may now. */
  resendInSeconds: number
  /** Null where no other code can be sent. */
  resendAt: string | null
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
  { t, locale }: Texts,
  now: number,
  input: CodeFormInput,
): CodeFormModel | null {
  const prompt = view.otp_data
  if (!view.requires_otp || !prompt) return null
  const resendInSeconds = prompt.resend_available_at
    ? Math.max(0, Math.ceil((Date.parse(prompt.resend_available_at) - now) / 1000))
    : 0
  // The address keeps saying so on a reload; the countdown tells whether it is still true, a wrong code that it is not.
  const resent = Boolean(input.resent) && !input.problem && !prompt.error && resendInSeconds > 0
  const localize = localizerFor(view, locale)
  const message = localize(prompt)
  return {
    title: t('code.title'),
    sentTo: prompt.sent_to,
    // What the bot said last stands below already.
    message: message === lastMessage(view, localize) ? null : message,
    hint: prompt.length ? t('code.hint_length', { length: prompt.length }) : null,
    expiresAt: prompt.expires_at,
    // With a new code on its way, the time of the last one does not matter any more.
    error: input.problem ?? (resent ? null : promptProblem(t, prompt, now)),
    resendInSeconds,
    resendAt: prompt.resend_available_at,
    resent,
    focus: Boolean(input.focus),
  }
}
