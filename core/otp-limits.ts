import type { StoredPrompt } from './record.ts'

/**
 * What questions for a code have used up of a request. It outlives the questions themselves, which a new attempt drops
 * and another program may replace.
 */
export interface OtpLimits extends Pick<StoredPrompt, 'attempts_left' | 'resends' | 'resend_available_at'> {
  /** The code that was handed over last and may be right, as it is counted for its person (core/redis/subjects.ts). */
  last_try?: string
}
