/** How a request ends that no bot has ended. */

import type { Failure } from '../core/domain/command.ts'
import { commonMessage } from '../core/domain/common-messages.ts'
import type { RequestFailureCode } from '../core/domain/errors.ts'

/** @param retryable whether beginning anew may help whoever waited */
const failureFor = (code: RequestFailureCode, retryable: boolean): Failure => ({
  error: { code, message: commonMessage(code).message, retryable },
})

export const UNKNOWN_SERVICE = failureFor('unknown_service', false)
export const INTERNAL_ERROR = failureFor('internal_error', true)
/** What people read while it is tried again: nothing is wrong with what they asked for. */
export const BOT_UNAVAILABLE = failureFor('bot_unavailable', true)
export const NO_CODE = failureFor('otp_expired', true)
/** An attempt that would have had one code too many sent. */
export const TOO_MANY_CODES_SENT = failureFor('subject_limit_reached', true)
/** Begun too often by workers that died. */
export const LOST = failureFor('worker_lost', true)
export const TIMED_OUT = failureFor('timed_out', true)
