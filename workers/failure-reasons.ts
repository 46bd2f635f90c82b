/** The failures that a worker or the rescuer writes, rather than a bot. */

import type { Failure } from '../core/domain/command.ts'
import { commonMessage } from '../core/domain/common-messages.ts'
import type { RequestFailureCode } from '../core/domain/errors.ts'
import type { FailureCause } from '../core/domain/request-failure.ts'

/** @param retryable whether a new request of the same data may succeed */
const failureFor = (code: RequestFailureCode, retryable: boolean): Failure => ({
  error: { code, message: commonMessage(code).message, retryable },
})

export const UNKNOWN_SERVICE = failureFor('unknown_service', false)
/** @param cause the error of our own */
export const internalError = (cause: FailureCause): Failure => {
  const { error } = failureFor('internal_error', true)
  return { error: { ...error, cause } }
}
/** Shown before the next attempt where a bot does not know the service (yet): the request itself is fine. */
export const BOT_UNAVAILABLE = failureFor('bot_unavailable', true)
export const OTP_EXPIRED = failureFor('otp_expired', true)
/** The next attempt would send more codes to this subject than its limit allows. */
export const TOO_MANY_CODES_SENT = failureFor('subject_limit_reached', true)
/** Too many workers died while they worked on the request. */
export const WORKER_LOST = failureFor('worker_lost', true)
export const TIMED_OUT = failureFor('timed_out', true)
