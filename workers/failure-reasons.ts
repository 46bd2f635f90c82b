/** How a request ends that no bot has ended. */

import { sayCommon } from '../core/domain/common-messages.ts'
import type { RequestErrorCode } from '../core/domain/errors.ts'
import type { Failure } from '../core/domain/state-machine.ts'

/** @param retryable whether beginning anew may help whoever waited */
const failureFor = (code: RequestErrorCode, retryable: boolean): Failure => ({
  error: { code, message: sayCommon(code).message, retryable },
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
