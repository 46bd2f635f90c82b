/** Commands: the input of the state machine. */
import type { Expectation } from './arrival.ts'
import type { LocalizedMessage } from './message.ts'
import type { OtpRequest } from './otp-prompt.ts'
import type { RequestRecord } from './record.ts'
import type { RequestFailure } from './request-failure.ts'
import type { SubstepReport } from './step.ts'

/** A prompt as a bot asks for it. */
export type OtpOptions = Omit<OtpRequest, 'id' | 'recall'>
export type Message = Partial<LocalizedMessage>
/** Its text is the error's message; its key is the error's code unless another one is given. */
export type Failure = { error: RequestFailure } & Pick<LocalizedMessage, 'message_key' | 'message_params'>

/**
 * A requested change. Commands of an attempt carry its number; any other than the record's is refused. A `fail` for a lost job or
 * a passed deadline belongs to no attempt and has none.
 */
export type Command =
  /**
   * `limitSeconds` limits all attempts together, without the time spent waiting for codes. `tries`, on the first start,
   * replaces `max_attempts`. `bot` is the address of the bot that the attempt is given to. `expected` is how long it will take.
   */
  | {
      type: 'start'
      attempt: number
      limitSeconds?: number
      tries?: number
      bot?: string
      expected?: Expectation
    }
  | ({
      type: 'progress'
      attempt: number
      progress: number
      step?: string
      parts?: SubstepReport[]
    } & Message)
  /** `counts: false`: the attempt never started, or a worker that stops gave it back; `max_attempts` is raised by one. */
  | ({ type: 'retry'; attempt: number; nextRetryAt: number; counts?: boolean } & Failure)
  | { type: 'require_otp'; attempt: number; otp: OtpRequest }
  | ({ type: 'reject_otp'; attempt: number } & Message)
  /**
   * `otp` is the answer as typed, a code perhaps within the message that brought it. It is never stored in the record.
   * `tryId` identifies the try in the limit of wrong codes.
   */
  | { type: 'submit_otp'; otp: string; tryId?: string }
  | { type: 'resend_otp' }
  /** The waiting bot does not support resending the code. */
  | { type: 'withdraw_resend'; attempt: number }
  | ({ type: 'complete'; attempt: number; result: unknown } & Message)
  | ({ type: 'fail'; attempt?: number } & Failure)
  /** `reason` is read by the person; only an operator gives one. */
  | { type: 'cancel'; by: NonNullable<RequestRecord['cancelled_by']>; reason?: string }
  /** The submitter wants a request that has ended to be kept longer. */
  | { type: 'keep' }
