/** What may be asked of a request: the input of the state machine. */
import type { LocalizedMessage } from './message.ts'
import type { OtpRequest } from './otp-prompt.ts'
import type { RequestFailure, RequestRecord, SubstepReport } from './record.ts'

export type Message = Partial<LocalizedMessage>
/** Its words are the error's; its key is the error's code, where no other is given. */
export type Failure = { error: RequestFailure } & Pick<LocalizedMessage, 'message_key' | 'message_params'>

/** What somebody wants to happen. Changes of a bot or worker carry the attempt they belong to. */
export type Command =
  /**
   * `limitSeconds` is the most that all attempts together may take, waits for a person not counted. `tries`, with the first
   * one, is how many there will be, whatever was planned.
   */
  | { type: 'start'; attempt: number; limitSeconds?: number; tries?: number }
  | ({
      type: 'progress'
      attempt: number
      progress: number
      step?: string
      parts?: SubstepReport[]
    } & Message)
  /** `counts: false`: no work was begun, or not by its own fault ended: the attempt is made good by one more. */
  | ({ type: 'retry'; attempt: number; nextRetryAt: number; counts?: boolean } & Failure)
  | { type: 'require_otp'; attempt: number; otp: OtpRequest }
  | ({ type: 'reject_otp'; attempt: number } & Message)
  /**
   * `otp` is the code as typed, perhaps within the message that brought it. It is never stored in the record.
   * `tryId` identifies the try in the limit of wrong codes.
   */
  | { type: 'submit_otp'; otp: string; tryId?: string }
  | { type: 'resend_otp' }
  /** The bot that waits for the code has no other one sent. */
  | { type: 'withdraw_resend'; attempt: number }
  | ({ type: 'complete'; attempt: number; result: unknown } & Message)
  | ({ type: 'fail'; attempt?: number } & Failure)
  | { type: 'cancel'; by: NonNullable<RequestRecord['cancelled_by']> }
