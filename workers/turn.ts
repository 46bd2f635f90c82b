/** Begins an attempt, or goes on with the one whose bot had a code sent and let go. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { OtpMailbox } from '../core/actions/otp-mailbox.ts'
import type { Failure } from '../core/domain/command.ts'
import type { RequestRecord } from '../core/domain/record.ts'
import type { Log } from '../core/runtime/log.ts'
import type { DeadlineIndex } from '../core/store/deadline-index.ts'
import type { RequestStore, StoredRecord } from '../core/store/request-store.ts'
import { MAX_RETRY_WAIT_MS } from '../core/store/retry-unavailable.ts'
import { reserveForNextAttempt, type Subjects } from '../core/store/subject-limits.ts'
import { NO_CODE, TOO_MANY_CODES_SENT } from './failure-reasons.ts'

export interface TurnDeps {
  store: RequestStore
  otpBox: OtpMailbox
  deadlines: Pick<DeadlineIndex, 'schedule'>
  subjects: Pick<Subjects, 'reserve'>
  /** How often a request is tried, instead of what its service says. */
  tries?: number
  fail: (record: RequestRecord, failure: Failure) => Promise<void>
  /** Aborts when the worker stops. */
  stopping: AbortSignal
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

export interface Work {
  record: RequestRecord
  /** The code, for a bot that is called again. */
  otp?: string
}

/**
 * Before a request is taken over: where Redis refused writes for so long that a lock was lost, the worker that had it may
 * still hold the bot's answer, and writes it as soon as Redis accepts writes again.
 */
const TAKE_OVER_AFTER_MS = 3 * MAX_RETRY_WAIT_MS
/** When a rescuer looks: whoever begins sees to it that one will, for the reminder may be lost with a Redis. */
const REMIND_MS = 10_000

/** An attempt was begun and nobody has written how it ended. */
const isWorkedOn = ({ status, next_retry_at }: RequestRecord): boolean =>
  status !== 'pending' && next_retry_at === null

export function createTakeTurn(deps: TurnDeps) {
  const { store, otpBox, deadlines, subjects, tries, fail, stopping, log, now } = deps
  /** Null when there is nothing to do; 'later' when the request has to be looked at again. */
  async function startOrResume(before: StoredRecord, limitSeconds: number): Promise<Work | 'later' | null> {
    const { hash, status, otp_data: prompt, attempt: last } = before.record
    if (prompt?.recall && status === 'processing') {
      const code = await otpBox.take(hash)
      if (code !== null) return { record: before.record, otp: code }
    }
    if (prompt?.recall && status === 'otp_required') {
      if (prompt.resend_requested) return { record: before.record }
      await fail(before.record, NO_CODE)
      return null
    }
    if (isWorkedOn(before.record) && (await changesSoon(before.record))) return 'later'
    if (!(await reserveForNextAttempt(subjects, before.record))) {
      await fail(before.record, TOO_MANY_CODES_SENT)
      return null
    }
    const start = { type: 'start', attempt: last + 1, limitSeconds, tries } as const
    const [started] = await Promise.all([store.apply(hash, start), remind(hash)])
    if (started.ok) return { record: started.stored.record }
    log.debug({ hash, refusal: started.refusal }, 'could not start')
    return null
  }

  /** A full Redis has no room for it; the rescuer finds the request all the same when it looks at all of them. */
  const remind = (hash: string): Promise<void> =>
    deadlines
      .schedule(hash, now() + REMIND_MS)
      .catch((error) => log.debug({ err: error, hash }, 'could not set a reminder'))

  /** Whether the worker that had it before writes how its attempt ended. */
  async function changesSoon({ hash, status, next_retry_at }: RequestRecord): Promise<boolean> {
    await sleep(TAKE_OVER_AFTER_MS, undefined, { signal: stopping }).catch(() => {})
    const present = (await store.read(hash))?.record
    return stopping.aborted || present?.status !== status || present.next_retry_at !== next_retry_at
  }

  return startOrResume
}
