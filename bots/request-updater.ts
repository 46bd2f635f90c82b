/** A bot's reports on one request. Each is one command of its attempt, applied in Redis. */
import { nanoid } from 'nanoid'
import type { OtpMailbox, WaitForOtpOptions } from '../core/actions/otp-mailbox.ts'
import type { Command } from '../core/domain/command.ts'
import { commonMessage } from '../core/domain/common-messages.ts'
import { AppError, type ErrorCode } from '../core/domain/errors.ts'
import { isBlank, type LocalizedMessage, toLocalizedMessage } from '../core/domain/message.ts'
import type { OtpRequest } from '../core/domain/otp-prompt.ts'
import type { SubstepReport } from '../core/domain/record.ts'
import type { Log } from '../core/runtime/log.ts'
import type { RequestStore, StoredRecord } from '../core/store/request-store.ts'
import { isUnavailable, retryUnavailable } from '../core/store/storage-errors.ts'
import { BotFailure } from './bot-failure.ts'

export type OtpOptions = Omit<OtpRequest, 'id' | 'recall'>

/** Bound to one attempt of one request. Calls resolve once Redis has stored the report, or a progress update was dropped. */
export interface RequestUpdater {
  /**
   * @param progress 0 to 99; a value below the highest one so far leaves the progress there, and step and message still count
   * @param step one of the service's steps
   * @param message a text for all viewers, or one with a key that each viewer reads in their own language; a blank one changes nothing
   * @param parts states of the current step's substeps: all, or those that have changed
   */
  updateProgress(
    progress: number,
    step?: string,
    message?: string | LocalizedMessage,
    parts?: SubstepReport[],
  ): Promise<void>
  /** Asks the submitter for a code. Resolves once the prompt is stored; `waitForOtp` gives the code. */
  markAsOtpRequired(otp?: OtpOptions): Promise<void>
  /**
   * Resolves with the code that the submitter typed.
   * @throws BotFailure `otp_expired` when none was typed in time; AppError when the request has ended
   */
  waitForOtp(options?: WaitForOtpOptions): Promise<string>
  /** The code was wrong: asks again while tries are left, else fails the request. True when it asked again. */
  rejectOtp(message?: string | LocalizedMessage): Promise<boolean>
  /**
   * @param result JSON of at most 256 kB
   * @throws AppError `result_too_large`, `bot_bad_answer` (no JSON), after failing the request with that code
   */
  markAsCompleted(result: unknown): Promise<void>
  markAsFailed(
    message: string | LocalizedMessage,
    error?: { code?: string; retryable?: boolean },
  ): Promise<void>
}

/** A result refused with one of these fails the request with the same code. */
const UNSTORABLE_RESULT: ReadonlySet<ErrorCode> = new Set(['result_too_large', 'bot_bad_answer'])

interface BindDeps {
  store: RequestStore
  otpMailbox: OtpMailbox
  log: Log
}

type Bind = (hash: string, attempt?: () => number, signal?: AbortSignal) => RequestUpdater

export function createBind({ store, otpMailbox, log }: BindDeps): Bind {
  return (hash, givenAttempt, signal) => {
    const firstAttempt = createFirstAttempt(store, hash)
    const currentAttempt = async (): Promise<number> =>
      givenAttempt?.() ?? retryUnavailable(firstAttempt, { signal })
    const write = (command: Command): Promise<StoredRecord> => applyCommand(store, hash, command, signal)
    const noRetry = AbortSignal.abort()
    return {
      async updateProgress(progress, step, message, parts) {
        try {
          const attempt = givenAttempt?.() ?? (await firstAttempt())
          const command = { type: 'progress', attempt, progress, step, parts, ...toPartial(message) } as const
          await applyCommand(store, hash, command, noRetry)
        } catch (error) {
          if (!isUnavailable(error)) throw error
          log.debug({ err: error, hash }, 'a progress update was dropped')
        }
      },
      async markAsOtpRequired(otp = {}) {
        const attempt = await currentAttempt()
        await write({ type: 'require_otp', attempt, otp: { ...otp, id: nanoid(10) } })
      },
      async waitForOtp(options) {
        const answer = await otpMailbox.waitFor(hash, options)
        if ('code' in answer) return answer.code
        if (answer.refused === 'otp_expired')
          throw new BotFailure('otp_expired', commonMessage('otp_expired'))
        throw new AppError(answer.refused)
      },
      async rejectOtp(message) {
        const attempt = await currentAttempt()
        const { record } = await write({ type: 'reject_otp', attempt, ...toPartial(message) })
        return record.status === 'otp_required'
      },
      async markAsCompleted(result) {
        const attempt = await currentAttempt()
        try {
          await write({ type: 'complete', attempt, result })
        } catch (error) {
          if (error instanceof AppError && UNSTORABLE_RESULT.has(error.code)) {
            const { code, message } = error
            await write({ type: 'fail', attempt, error: { code, message, retryable: false } })
          }
          throw error
        }
      },
      async markAsFailed(reason, { code = 'failed', retryable = false } = {}) {
        const given = toLocalizedMessage(reason)
        const { message, ...key } = isBlank(given.message) ? commonMessage('no_reason') : given
        const error = { code, message, retryable }
        await write({ type: 'fail', attempt: await currentAttempt(), error, ...key })
      },
    }
  }
}

const toPartial = (message: string | LocalizedMessage | undefined): Partial<LocalizedMessage> =>
  message === undefined ? {} : toLocalizedMessage(message)

/** @param signal once aborted, a write that Redis refuses is not retried */
async function applyCommand(
  store: RequestStore,
  hash: string,
  command: Command,
  signal: AbortSignal | undefined,
): Promise<StoredRecord> {
  const result = await retryUnavailable(() => store.apply(hash, command), { signal })
  if (result.ok) return result.stored
  const detail = `${command.type} of ${hash} was refused: ${result.rejection}`
  throw new AppError(result.rejection, { detail })
}

/** Reads the attempt once, at the first write, so that an attempt that takes over fences this program off. */
function createFirstAttempt(store: RequestStore, hash: string): () => Promise<number> {
  let found: Promise<number> | null = null
  async function read(): Promise<number> {
    const stored = await store.read(hash)
    if (!stored)
      throw new AppError('request_not_found', {
        detail: `The request ${hash} does not exist or has expired.`,
      })
    return stored.record.attempt
  }
  return () => {
    found ??= read().catch((error: unknown) => {
      // Not found, or Redis unavailable: the next write reads again.
      found = null
      throw error
    })
    return found
  }
}
