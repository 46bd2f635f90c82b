/** Starts an attempt, or resumes the one whose bot answered `SMS_SENT` and waits to be called again with the code. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { OtpMailbox } from '../core/actions/otp-mailbox.ts'
import type { Command, Failure } from '../core/domain/command.ts'
import type { RequestRecord } from '../core/domain/record.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import type { Log } from '../core/runtime/log.ts'
import { type DeadlineIndex, FIRST_CHECK_MS } from '../core/store/deadline-index.ts'
import type { RequestStore, StoredRecord } from '../core/store/request-store.ts'
import { MAX_RETRY_WAIT_MS } from '../core/store/storage-errors.ts'
import { reserveForNextAttempt, type SubjectLimiter } from '../core/store/subject-limits.ts'
import { OTP_EXPIRED, TOO_MANY_CODES_SENT } from './failure-reasons.ts'

export interface AttemptStarterDeps {
  store: RequestStore
  otpMailbox: OtpMailbox
  deadlineIndex: Pick<DeadlineIndex, 'schedule'>
  subjectLimiter: Pick<SubjectLimiter, 'reserve'>
  /** Attempts per request; overrides the service's `tries`. */
  tries?: number
  fail: (record: RequestRecord, failure: Failure) => Promise<void>
  /** Aborts when the worker stops. */
  stopping: AbortSignal
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

type StartCommand = Extract<Command, { type: 'start' }>

export interface Work {
  record: RequestRecord
  /** The record is as this worker has just written it. */
  isStarted?: boolean
  /** The code, for a bot that is called again. */
  otp?: string
  /** The bot runs this attempt already, and waits for the code. */
  isResumed?: boolean
}

/**
 * Wait before taking a request over from another worker. Where Redis refused writes for so long that the lock expired, that
 * worker may still hold the bot's answer, and writes it as soon as Redis accepts writes again.
 */
const TAKE_OVER_AFTER_MS = 3 * MAX_RETRY_WAIT_MS

/** Whether an attempt was started whose outcome is not written yet. */
const isAttemptRunning = ({ status, next_retry_at }: RequestRecord): boolean =>
  status !== 'pending' && next_retry_at === null

/** @returns a function that starts or resumes the attempt of a request */
export function createAttemptStarter(deps: AttemptStarterDeps) {
  const { store, otpMailbox, deadlineIndex, subjectLimiter, tries, fail, stopping, log, now } = deps
  /**
   * Null when there is nothing to do; 'later' when the request must be read again.
   *
   * @param start.bot the address of the bot that the attempt will be given to, where it announced itself
   */
  async function startOrResume(
    before: StoredRecord,
    { limitSeconds, bot, expected }: Pick<StartCommand, 'bot' | 'expected'> & { limitSeconds: number },
  ): Promise<Work | 'later' | null> {
    const { hash, status, otp_data: prompt, attempt: last } = before.record
    if (prompt?.recall && status === 'processing') {
      const code = await otpMailbox.take(hash)
      if (code !== null) return { record: before.record, otp: code }
    }
    if (prompt?.recall && status === 'otp_required') {
      if (prompt.resend_requested) return { record: before.record }
      await fail(before.record, OTP_EXPIRED)
      return null
    }
    // The bot that asked keeps its session, also while it checks the code.
    if (prompt && isAttemptRunning(before.record) && bot !== undefined && bot === before.record.bot)
      return { record: before.record, isResumed: true }
    if (isAttemptRunning(before.record) && (await changesDuringWait(before.record))) return 'later'
    if (!(await reserveForNextAttempt(subjectLimiter, before.record))) {
      await fail(before.record, TOO_MANY_CODES_SENT)
      return null
    }
    const start: StartCommand = { type: 'start', attempt: last + 1, limitSeconds, tries, bot, expected }
    const [started] = await Promise.all([store.apply(hash, start), scheduleCheck(hash)])
    if (started.ok) return { record: started.stored.record, isStarted: true }
    log.debug({ request: shortReference(hash), rejection: started.rejection }, 'could not start an attempt')
    return null
  }

  /**
   * The check scheduled with the submit may have been lost by a fail-over. A full Redis refuses this one: the rescuer then
   * finds the request when it checks all of them.
   */
  const scheduleCheck = (hash: string): Promise<void> =>
    deadlineIndex
      .schedule(hash, now() + FIRST_CHECK_MS)
      .catch((error) =>
        log.debug({ err: error, request: shortReference(hash) }, 'could not schedule a check by the rescuer'),
      )

  /** Gives the worker that started the attempt time to write its outcome. @returns whether the request changed */
  async function changesDuringWait({ hash, status, next_retry_at }: RequestRecord): Promise<boolean> {
    await sleep(TAKE_OVER_AFTER_MS, undefined, { signal: stopping }).catch(() => {})
    const latest = (await store.read(hash))?.record
    return stopping.aborted || latest?.status !== status || latest.next_retry_at !== next_retry_at
  }

  return startOrResume
}
