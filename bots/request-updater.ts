/** What a bot reports on one request: each report is one change of its attempt, written to Redis. */
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
import { isUnavailable, retryUnavailable } from '../core/store/retry-unavailable.ts'
import { BotFailure } from './bot-failure.ts'

export type OtpOptions = Omit<OtpRequest, 'id' | 'recall'>

/** All about one request, one attempt of it. Every call resolves once Redis has it, or has refused a report of progress. */
export interface RequestUpdater {
  /**
   * @param progress 0 to 99; lower than before is kept at what was reached
   * @param step one of the service's steps
   * @param message words for everybody, blank ones change nothing; or with a key by which each viewer reads them in their own language
   * @param parts how the parts of the current step stand, those that have changed or all of them
   */
  updateProgress(
    progress: number,
    step?: string,
    message?: string | LocalizedMessage,
    parts?: SubstepReport[],
  ): Promise<void>
  /** Asks the person for a code. Resolves once they are asked; the code comes from `waitForOtp`. */
  markAsOtpRequired(otp?: OtpOptions): Promise<void>
  /**
   * The code that the person typed.
   * @throws BotFailure `otp_expired` when nobody typed one in time; AppError when the request has ended
   */
  waitForOtp(options?: WaitForOtpOptions): Promise<string>
  /** The code was wrong: asks again while tries are left, else the request has failed. True when it was asked again. */
  rejectOtp(message?: string | LocalizedMessage): Promise<boolean>
  /**
   * @param result any JSON, 256 kB at most
   * @throws AppError `result_too_large`, `bot_bad_answer` (no JSON) after the request was failed with it
   */
  markAsCompleted(result: unknown): Promise<void>
  markAsFailed(
    message: string | LocalizedMessage,
    error?: { code?: string; retryable?: boolean },
  ): Promise<void>
}

/** What the request fails with whose result cannot be kept. */
const CANNOT_BE_KEPT: ReadonlySet<ErrorCode> = new Set(['result_too_large', 'bot_bad_answer'])

export function createBind({ store, otpBox, log }: { store: RequestStore; otpBox: OtpMailbox; log: Log }) {
  const write = async (hash: string, change: Command, signal?: AbortSignal): Promise<StoredRecord> => {
    const outcome = await retryUnavailable(() => store.apply(hash, change), { signal })
    if (!outcome.ok) {
      throw new AppError(outcome.refusal, {
        detail: `${change.type} of ${hash} was refused: ${outcome.refusal}`,
      })
    }
    return outcome.stored
  }

  /** The attempt this program works for: the one it found when it first wrote, so that a take-over fences it off. */
  const firstAttempt = (hash: string): (() => Promise<number>) => {
    let found: Promise<number> | null = null
    const find = async (): Promise<number> => {
      const stored = await store.read(hash)
      if (!stored)
        throw new AppError('request_not_found', { detail: `There is no request ${hash} (any more).` })
      return stored.record.attempt
    }
    return () => {
      found ??= find().catch((error: unknown) => {
        // Not found, or Redis away: the next write looks again.
        found = null
        throw error
      })
      return found
    }
  }

  const bind = (hash: string, given?: () => number, signal?: AbortSignal): RequestUpdater => {
    const found = firstAttempt(hash)
    const current = async (): Promise<number> => given?.() ?? retryUnavailable(found, { signal })
    const noRetry = AbortSignal.abort()
    return {
      async updateProgress(progress, step, message, parts) {
        const localizedMessage = message === undefined ? {} : toLocalizedMessage(message)
        const change = { type: 'progress', progress, step, parts, ...localizedMessage } as const
        try {
          await write(hash, { ...change, attempt: given?.() ?? (await found()) }, noRetry)
        } catch (error) {
          if (!isUnavailable(error)) throw error
          log.debug({ err: error, hash }, 'a report of progress was dropped')
        }
      },
      async markAsOtpRequired(otp = {}) {
        const attempt = await current()
        await write(hash, { type: 'require_otp', attempt, otp: { ...otp, id: nanoid(10) } }, signal)
      },
      async waitForOtp(options) {
        const answer = await otpBox.waitFor(hash, options)
        if ('code' in answer) return answer.code
        if (answer.refused === 'otp_expired')
          throw new BotFailure('otp_expired', commonMessage('otp_expired'))
        throw new AppError(answer.refused)
      },
      async rejectOtp(message) {
        const localizedMessage = message === undefined ? {} : toLocalizedMessage(message)
        const { record } = await write(
          hash,
          { type: 'reject_otp', attempt: await current(), ...localizedMessage },
          signal,
        )
        return record.status === 'otp_required'
      },
      async markAsCompleted(result) {
        const attempt = await current()
        try {
          await write(hash, { type: 'complete', attempt, result }, signal)
        } catch (error) {
          if (error instanceof AppError && CANNOT_BE_KEPT.has(error.code)) {
            const { code, message } = error
            await write(hash, { type: 'fail', attempt, error: { code, message, retryable: false } }, signal)
          }
          throw error
        }
      },
      async markAsFailed(words, { code = 'failed', retryable = false } = {}) {
        const localizedMessage = toLocalizedMessage(words)
        const { message, ...key } = isBlank(localizedMessage.message)
          ? commonMessage('no_reason')
          : localizedMessage
        const error = { code, message, retryable }
        await write(hash, { type: 'fail', attempt: await current(), error, ...key }, signal)
      },
    }
  }

  return bind
}
