/** What a bot reports on one attempt of a request: for the updater, and for the server's API of bots. */
import { nanoid } from 'nanoid'
import { parseQuestionOfBot } from '../catalog/question.ts'
import type { Command, OtpOptions } from '../domain/command.ts'
import { commonMessage } from '../domain/common-messages.ts'
import { AppError, type ErrorCode } from '../domain/errors.ts'
import { isBlank, type LocalizedMessage } from '../domain/message.ts'
import { isFinal, type RequestRecord } from '../domain/record.ts'
import type { SubstepReport } from '../domain/step.ts'
import type { NewFile, RequestFiles, StoredFile } from '../store/request-files.ts'
import type { RequestStore } from '../store/request-store.ts'

export interface ProgressReport extends Partial<LocalizedMessage> {
  progress: number
  step?: string
  parts?: SubstepReport[]
}

export interface FailureReport extends LocalizedMessage {
  code?: string
  retryable?: boolean
}

/**
 * The reports resolve with the record that is stored afterwards.
 *
 * @throws AppError the reason for which the report is refused, such as `already_final` and `stale_attempt`;
 * `storage_unavailable`
 */
export interface BotReports {
  progress(hash: string, attempt: number, report: ProgressReport): Promise<RequestRecord>
  ask(hash: string, attempt: number, otp: OtpOptions): Promise<RequestRecord>
  /** The code was wrong: asks again while tries are left, else fails the request. */
  reject(hash: string, attempt: number, message: Partial<LocalizedMessage>): Promise<RequestRecord>
  /** @throws AppError `result_too_large`, `bot_bad_answer` (no JSON), after failing the request with that code */
  complete(hash: string, attempt: number, result: unknown): Promise<RequestRecord>
  fail(hash: string, attempt: number, failure: FailureReport): Promise<RequestRecord>
  /** The bot is alive and has nothing to report. Progress and version stay. */
  heartbeat(hash: string, attempt: number): Promise<void>
  /** @throws AppError `validation_failed`, `body_too_large` */
  addFile(hash: string, attempt: number, file: NewFile): Promise<StoredFile>
}

interface Deps {
  store: Pick<RequestStore, 'apply' | 'get' | 'heartbeat'>
  files: Pick<RequestFiles, 'add'>
}

/** A result refused with one of these fails the request with the same code. */
const UNSTORABLE_RESULT: ReadonlySet<ErrorCode> = new Set(['result_too_large', 'bot_bad_answer'])
export const isUnstorableResult = (error: unknown): error is AppError =>
  error instanceof AppError && UNSTORABLE_RESULT.has(error.code)

export function createBotReports({ store, files }: Deps): BotReports {
  async function apply(hash: string, command: Command): Promise<RequestRecord> {
    const result = await store.apply(hash, command)
    if (result.ok) return result.stored.record
    const detail = `${command.type} of ${hash} was refused: ${result.rejection}`
    throw new AppError(result.rejection, { detail })
  }

  /** For what changes no record. */
  async function recordOf(hash: string, attempt: number): Promise<RequestRecord> {
    const { record } = await store.get(hash)
    checkAttempt(record, attempt)
    return record
  }

  return {
    progress: (hash, attempt, report) => apply(hash, { type: 'progress', attempt, ...report }),
    async ask(hash, attempt, otp) {
      if (otp.kind !== undefined && otp.kind !== 'code') parseQuestionOfBot(otp)
      return apply(hash, { type: 'require_otp', attempt, otp: { ...otp, id: nanoid(10) } })
    },
    reject: (hash, attempt, message) => apply(hash, { type: 'reject_otp', attempt, ...message }),
    async complete(hash, attempt, result) {
      try {
        return await apply(hash, { type: 'complete', attempt, result })
      } catch (error) {
        if (isUnstorableResult(error)) await apply(hash, toFail(attempt, unstorableFailure(error)))
        throw error
      }
    },
    fail: (hash, attempt, failure) => apply(hash, toFail(attempt, failure)),
    heartbeat: async (hash, attempt) => store.heartbeat(await recordOf(hash, attempt)),
    addFile: async (hash, attempt, file) => files.add(await recordOf(hash, attempt), file),
  }
}

/** The failure of a request whose result cannot be stored. */
export const unstorableFailure = ({ code, message }: AppError): FailureReport => ({
  code,
  message,
  retryable: false,
})

function toFail(
  attempt: number,
  { code = 'failed', retryable = false, ...given }: FailureReport,
): Extract<Command, { type: 'fail' }> {
  const { message, ...key } = isBlank(given.message) ? commonMessage('no_reason') : given
  return { type: 'fail', attempt, error: { code, message, retryable }, ...key }
}

/** For what reads or changes no record. @throws AppError `already_final`, `stale_attempt` */
export function checkAttempt({ status, attempt }: RequestRecord, given: number): void {
  if (isFinal(status)) throw new AppError('already_final')
  if (attempt !== given) throw new AppError('stale_attempt')
}
