/** What became of the request for another code, for the form of a question. */
import { MAX_RESENDS, type OtpPrompt } from '../domain/otp-data.ts'
import type { Localize } from '../i18n/localize-message.ts'

/** Whether another code is on its way. No longer once yet another one may be requested: the bot may not send any. */
export const isResending = (prompt: OtpPrompt, now: number): boolean =>
  prompt.resend_requested && !prompt.error && now < Date.parse(prompt.resend_available_at ?? '')

/** Whether the bot has sent another code. */
export const isResent = ({ kind, resend_requested, resends_left }: OtpPrompt): boolean =>
  kind === 'code' && !resend_requested && resends_left !== null && resends_left < MAX_RESENDS

/** That it is on its way, then what the bot says about it: that the code before no longer works, say. */
export function resendNote(
  prompt: OtpPrompt,
  { onItsWay, read, now }: { onItsWay: string; read: Localize; now: number },
): string | null {
  if (isResending(prompt, now)) return onItsWay
  return (isResent(prompt) && read(prompt)) || null
}
