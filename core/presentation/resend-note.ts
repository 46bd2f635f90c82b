/** The note of a code prompt after a resend. */
import { MAX_RESENDS, type OtpPrompt } from '../domain/otp-data.ts'
import type { Localize } from '../i18n/localize-message.ts'

/** Whether another code is on its way. Ends when the next resend is allowed, because the bot may have failed to send one. */
export const isResending = (prompt: OtpPrompt, now: number): boolean =>
  prompt.resend_requested && !prompt.error && now < Date.parse(prompt.resend_available_at ?? '')

/** Whether the bot has sent another code. */
export const isResent = ({ kind, resend_requested, resends_left }: OtpPrompt): boolean =>
  kind === 'code' && !resend_requested && resends_left !== null && resends_left < MAX_RESENDS

/** Another code is on its way, or the bot's message about it, such as that the previous code is invalid. Null without a resend. */
export function resendNote(
  prompt: OtpPrompt,
  { onItsWay, read, now }: { onItsWay: string; read: Localize; now: number },
): string | null {
  if (isResending(prompt, now)) return onItsWay
  return (isResent(prompt) && read(prompt)) || null
}
