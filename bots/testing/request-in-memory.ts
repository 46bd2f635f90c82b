/** One request without Redis: its record in a variable, changed by the state machine alone. */
import { nanoid } from 'nanoid'
import { createBotReports } from '../../core/actions/bot-reports.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import { normalizeAnswer } from '../../core/domain/answer.ts'
import type { Command } from '../../core/domain/command.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { LocalizedMessage } from '../../core/domain/message.ts'
import type { RequestRecord, StoredOtpPrompt } from '../../core/domain/record.ts'
import { createRequestHash } from '../../core/domain/request-id.ts'
import { transition } from '../../core/domain/state-machine.ts'
import type { Log } from '../../core/runtime/log.ts'
import {
  checkFileCount,
  type NewFile,
  type RequestFile,
  type StoredFile,
  toRequestFile,
} from '../../core/store/request-files.ts'
import { type ApplyResult, checkResult } from '../../core/store/request-store.ts'
import { createBind, type OtpOptions, otpExpired, type RequestUpdater } from '../request-updater.ts'

/** The prompt of a question, as the record stores it. */
export type AskedPrompt = Readonly<StoredOtpPrompt>
/** The submitter's answer; `null` for none before the question expires, `undefined` where the test has none. */
export type AnswerOf = (question: AskedPrompt) => string | null | undefined

/** A report of progress, as the page shows it afterwards. */
export interface ShownProgress {
  progress: number
  step: string | null
  message: string | null
  message_key?: string
}

/** A file that the handler stored, with its id in the result. */
export type AddedFile = RequestFile & Pick<StoredFile, 'id'>

export interface RequestInMemory {
  readonly hash: string
  readonly updater: RequestUpdater
  readonly reports: ShownProgress[]
  readonly questions: AskedPrompt[]
  readonly files: AddedFile[]
  readonly attempt: number
  start(): Promise<void>
  /** Asks for a code that ends the call. */
  askAgainLater(otp: OtpOptions): Promise<void>
  /** The submitter's answer to the open question. @throws BotFailure `otp_expired` */
  answer(): Promise<string>
  /** The answer was wrong. False when no try is left. */
  reject(failure: { localizedMessage?: LocalizedMessage }): Promise<boolean>
}

const TTL_SECONDS = 1800
const ATTEMPT = 1

export function createRequestInMemory({
  service,
  data,
  answerOf,
  log,
}: {
  service: Service
  data: Record<string, unknown>
  answerOf: AnswerOf
  log: Log
}): RequestInMemory {
  const now = Date.now
  const hash = createRequestHash(now())
  let record: RequestRecord = createRecord({
    hash,
    service,
    requestData: data,
    sessionId: null,
    now: now(),
    ttlSeconds: TTL_SECONDS,
  })
  const reports: ShownProgress[] = []
  const questions: AskedPrompt[] = []
  const files: AddedFile[] = []

  async function apply(_hash: string, command: Command): Promise<ApplyResult> {
    if (command.type === 'complete') checkResult(command.result)
    const changed = transition(record, command, { now: now(), ttlSeconds: TTL_SECONDS })
    if (!changed.ok) return { ...changed, stored: { record, raw: '' } }
    record = changed.record
    if (command.type === 'progress') reports.push(toShownProgress(record))
    if (command.type === 'require_otp' && record.otp_data) questions.push(record.otp_data)
    return { ok: true, stored: { record, raw: '' } }
  }

  async function applyOrThrow(command: Command): Promise<void> {
    const applied = await apply(hash, command)
    if (!applied.ok) throw new AppError(applied.rejection)
  }

  async function answer(): Promise<string> {
    const prompt = record.otp_data
    if (record.status !== 'otp_required' || !prompt) throw new AppError('otp_not_expected')
    const kind = prompt.kind ?? 'code'
    const given = answerOf(prompt)
    if (given === undefined)
      throw new Error(`The handler asks for a ${kind}, and the test has no answer left.`)
    if (given === null) throw otpExpired()
    const applied = await apply(hash, { type: 'submit_otp', otp: given })
    if (!applied.ok) throw new Error(`"${given}" is no answer to a ${kind}: ${applied.rejection}.`)
    return normalizeAnswer(prompt, given)
  }

  const read = async () => ({ record, raw: '' })
  const botReports = createBotReports({
    store: { apply, get: read, heartbeat: async () => {} },
    files: { add: async (_record, file) => addFile(files, file) },
  })
  const bind = createBind({
    store: { read },
    reports: botReports,
    otpMailbox: { waitFor: async () => ({ code: await answer() }) },
    log,
  })
  return {
    hash,
    updater: bind(hash, () => ATTEMPT),
    reports,
    questions,
    files,
    attempt: ATTEMPT,
    start: () => applyOrThrow({ type: 'start', attempt: ATTEMPT, limitSeconds: service.limit_seconds }),
    askAgainLater: (otp) =>
      applyOrThrow({ type: 'require_otp', attempt: ATTEMPT, otp: { ...otp, id: nanoid(10), recall: true } }),
    answer,
    reject: async ({ localizedMessage }) =>
      (await botReports.reject(hash, ATTEMPT, localizedMessage ?? {})).status === 'otp_required',
  }
}

function addFile(files: AddedFile[], given: NewFile): StoredFile {
  const file = toRequestFile(given)
  checkFileCount(files.length)
  const id = `${ATTEMPT}.${files.length + 1}`
  files.push({ ...file, id })
  return { name: file.name, size: file.bytes.length, id }
}

const toShownProgress = ({ progress, step, current_message, message_key }: RequestRecord): ShownProgress => ({
  progress,
  step,
  message: current_message,
  ...(message_key && { message_key }),
})
