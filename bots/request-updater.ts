/** A bot's reports on one request. Each is one command of its attempt, applied in Redis. */
import type { BotReports } from '../core/actions/bot-reports.ts'
import type { OtpMailbox, WaitForOtpOptions } from '../core/actions/otp-mailbox.ts'
import type { OtpOptions } from '../core/domain/command.ts'
import { commonMessage } from '../core/domain/common-messages.ts'
import { AppError } from '../core/domain/errors.ts'
import { type LocalizedMessage, toLocalizedMessage } from '../core/domain/message.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import type { SubstepReport } from '../core/domain/step.ts'
import type { Log } from '../core/runtime/log.ts'
import type { NewFile, StoredFile } from '../core/store/request-files.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import { isUnavailable, retryUnavailable } from '../core/store/storage-errors.ts'
import { type Ask, createAsk } from './ask.ts'
import { BotFailure } from './bot-failure.ts'

export type { NewFile, OtpOptions, StoredFile }

/** Bound to one attempt of one request. Calls resolve once the report is stored, or a report of progress or a heartbeat was dropped. */
export interface RequestUpdater extends Ask {
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
  /** Says that the bot is alive while it has nothing to report. Progress and version stay. */
  heartbeat(): Promise<void>
  /**
   * Stores a file beside the request, five at most; those of a new attempt replace those of the one before.
   *
   * @returns what the result refers to the file by, as the value of a field of type `file`
   * @throws AppError `validation_failed` for an invalid name, an empty file and the sixth, `body_too_large` for more than 5 MB
   */
  addFile(file: NewFile): Promise<StoredFile>
  /**
   * Asks the submitter for a code, or another question of `otp.kind`. Resolves once it is stored; `waitForOtp` gives the
   * answer. `askCode` and the others do both.
   *
   * @throws AppError `bot_bad_answer` for an invalid question
   */
  markAsOtpRequired(otp?: OtpOptions): Promise<void>
  /**
   * Resolves with the code that the submitter typed, or with another answer.
   * @throws BotFailure `otp_expired` when none was typed in time; AppError when the request has ended
   */
  waitForOtp(options?: WaitForOtpOptions): Promise<string>
  /** The answer was wrong: asks again while tries are left, else fails the request. True when it asked again. */
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

interface BindDeps {
  store: Pick<RequestStore, 'read'>
  reports: BotReports
  otpMailbox: Pick<OtpMailbox, 'waitFor'>
  log: Log
}

/** Once `signal` aborts, a report that is refused for the moment is not retried. */
export type BindUpdater = (hash: string, attempt?: () => number, signal?: AbortSignal) => RequestUpdater

export function createBind({ store, reports, otpMailbox, log }: BindDeps): BindUpdater {
  return (hash, givenAttempt, signal) => {
    const firstAttempt = createFirstAttempt(async () => (await store.read(hash))?.record.attempt, hash)
    const write = async <T>(report: (attempt: number) => Promise<T>): Promise<T> => {
      const attempt = givenAttempt?.() ?? (await retryUnavailable(firstAttempt, { signal }))
      return retryUnavailable(() => report(attempt), { signal })
    }
    const methods: Omit<RequestUpdater, keyof Ask> = {
      async updateProgress(progress, step, message, parts) {
        try {
          const attempt = givenAttempt?.() ?? (await firstAttempt())
          await reports.progress(hash, attempt, { progress, step, parts, ...toPartialMessage(message) })
        } catch (error) {
          dropUnavailable(error, { log, hash, what: 'progress update' })
        }
      },
      async heartbeat() {
        try {
          await reports.heartbeat(hash, givenAttempt?.() ?? (await firstAttempt()))
        } catch (error) {
          dropUnavailable(error, { log, hash, what: 'heartbeat' })
        }
      },
      addFile: (file) => write((attempt) => reports.addFile(hash, attempt, file)),
      async markAsOtpRequired(otp = {}) {
        await write((attempt) => reports.ask(hash, attempt, otp))
      },
      async waitForOtp(options) {
        const answer = await otpMailbox.waitFor(hash, options)
        if ('code' in answer) return answer.code
        throw answer.refused === 'otp_expired' ? otpExpired() : new AppError(answer.refused)
      },
      async rejectOtp(message) {
        const record = await write((attempt) => reports.reject(hash, attempt, toPartialMessage(message)))
        return record.status === 'otp_required'
      },
      async markAsCompleted(result) {
        await write((attempt) => reports.complete(hash, attempt, result))
      },
      async markAsFailed(reason, error) {
        await write((attempt) => reports.fail(hash, attempt, { ...toLocalizedMessage(reason), ...error }))
      },
    }
    return { ...methods, ...createAsk(methods) }
  }
}

/** For what the next report makes up for. @throws whatever else it is */
export function dropUnavailable(
  error: unknown,
  { log, hash, what }: { log: Log; hash: string; what: string },
): void {
  if (!isUnavailable(error)) throw error
  log.debug({ err: error, request: shortReference(hash) }, `a ${what} was dropped`)
}

export const otpExpired = (): BotFailure => new BotFailure('otp_expired', commonMessage('otp_expired'))

export const toPartialMessage = (
  message: string | LocalizedMessage | undefined,
): Partial<LocalizedMessage> => (message === undefined ? {} : toLocalizedMessage(message))

/**
 * Reads the attempt once, at the first write, so that an attempt that takes over fences this program off.
 *
 * @param read resolves with undefined when the request does not exist
 */
export function createFirstAttempt(
  read: () => Promise<number | undefined>,
  hash: string,
): () => Promise<number> {
  let found: Promise<number> | null = null
  async function readExisting(): Promise<number> {
    const attempt = await read()
    if (attempt !== undefined) return attempt
    throw new AppError('request_not_found', { detail: `The request ${hash} does not exist or has expired.` })
  }
  return () => {
    found ??= readExisting().catch((error: unknown) => {
      // Not found, or unavailable: the next write reads again.
      found = null
      throw error
    })
    return found
  }
}
