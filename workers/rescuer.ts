/**
 * Ends what nobody ends: a request whose time is over fails, even if its worker and its bot are dead, and one whose
 * job was never queued, or lost or forgotten since, gets it. Any number of rescuers may run: each only does what the
 * rules allow once.
 */

import type { Service } from '../core/catalog/define-service.ts'
import { nextRunAt, timesOutAt } from '../core/domain/deadline.ts'
import { isUnreadable } from '../core/domain/errors.ts'
import { isFinal, type RequestRecord } from '../core/domain/record.ts'
import type { Queues } from '../core/queue/queues.ts'
import type { Log } from '../core/runtime/log.ts'
import type { DeadlineIndex } from '../core/store/deadline-index.ts'
import type { FailedRequests } from '../core/store/failed-requests.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import { NO_CODE, TIMED_OUT } from './failure-reasons.ts'

export interface RescuerDeps {
  store: RequestStore
  deadlines: DeadlineIndex
  queues: Pick<Queues, 'addIfMissing' | 'promote' | 'inLine'>
  failures: Pick<FailedRequests, 'add'>
  findService: (slug: string) => Service | undefined
  log: Log
  everyMs?: number
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
}

const EVERY_MS = 1_000
/** How many reminders are taken with one command, and how often in a round before others have their turn. */
const TAKEN_AT_ONCE = 1_000
const MAX_TAKES = 20
/** How many requests are looked after side by side. */
const AT_ONCE = 100
/** Whoever is alive ends its own request at the deadline; only what is still there a moment later needs rescue. */
const SLACK_MS = 1_000
/** A job may come late, from a worker whose clock is: this late it is not waited for any more. */
const LATE_MS = 5_000
/** How often a running request is looked at: its deadline comes nearer when a person has typed the code. */
const LOOK_AGAIN_MS = 10_000
/** How often it is looked whether the job of one in the queue is there; who takes a reminder and dies is replaced then. */
const LOOK_AGAIN_IN_QUEUE_MS = 30_000

/** As many as the list of requests holds. */
const ALL = 10_000
/** For what is lost without anybody noticing, as in a Cluster that fails over. */
const LOOK_AT_ALL_EVERY_MS = 300_000

const NONE: ReadonlySet<string> = new Set()

export interface Rescuer {
  /** Looks once at every request there is: a Redis that comes back may have lost some of the latest reminders. */
  checkAll(): Promise<void>
  stop(): Promise<void>
}

export function startRescuer(deps: RescuerDeps): Rescuer {
  const { store, deadlines, queues, failures, findService, log, everyMs = EVERY_MS, now } = deps
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let round: Promise<void> = Promise.resolve()

  async function check(hash: string): Promise<void> {
    const stored = await store.read(hash)
    if (stored?.record.status === 'failed') await failures.add(stored.record)
    if (!stored || isFinal(stored.record.status)) return deadlines.remove(hash)
    const due = timesOutAt(stored.record)
    if (due !== null && now() >= due + SLACK_MS) return fail(stored.record)
    const begins = nextRunAt(stored.record)
    if (stored.record.status === 'pending') {
      // Before it is due, only a job that is lost would be missed, and that is soon enough then.
      if (begins !== null && now() < begins) return deadlines.schedule(hash, begins + LATE_MS)
      return restoreJob(stored.record)
    }
    await restoreJob(stored.record)
    await deadlines.schedule(
      hash,
      Math.min(now() + LOOK_AGAIN_MS, due === null ? Number.POSITIVE_INFINITY : due + SLACK_MS),
    )
  }

  async function fail({ hash, status }: RequestRecord): Promise<void> {
    const failure = status === 'otp_required' ? NO_CODE : TIMED_OUT
    const outcome = await store.apply(hash, { type: 'fail', ...failure })
    if (outcome.ok) log.warn({ hash, reason: failure.error.code }, 'ended a request that nobody ended')
    await deadlines.remove(hash)
  }

  /**
   * A job that was lost, between record and queue or with a Redis that came back from an old copy, is made good, and
   * one that sleeps on when its time has come is woken. One that somebody works on is left alone.
   */
  async function restoreJob(record: RequestRecord): Promise<void> {
    const service = findService(record.service_slug)
    if (!service) return
    const until = nextRunAt(record)
    if (record.status === 'pending' && until === null) return queues.addIfMissing(record, service)
    if (until === null || now() >= until + LATE_MS) await queues.promote(record, service)
  }

  /** One that cannot be read must not keep the others waiting. */
  async function lookAfterOne(hash: string): Promise<void> {
    try {
      await check(hash)
    } catch (error) {
      // What another program broke stays broken until that one mends it; whoever met it first has said so.
      const unreadable = isUnreadable(error)
      log[unreadable ? 'debug' : 'warn']({ err: error, hash }, 'could not look after a request')
      await deadlines.schedule(hash, now() + LOOK_AGAIN_MS)
    }
  }

  /**
   * Many may wait in the queues, and nothing presses for those whose job is there: a few commands find them out, and their
   * reminder has been moved when it was taken. Only the others are read.
   */
  async function lookAfterAll(due: readonly string[]): Promise<void> {
    if (due.length === 0) return
    // Another program may have broken the queue: then all of them are read.
    const inLine = await queues.inLine(due).catch(() => NONE)
    const others = due.filter((hash) => !inLine.has(hash))
    for (let from = 0; from < others.length; from += AT_ONCE)
      await Promise.all(others.slice(from, from + AT_ONCE).map(lookAfterOne))
  }

  async function look(): Promise<void> {
    try {
      for (let takes = 0; takes < MAX_TAKES && !stopped; takes++) {
        const due = await deadlines.take(now(), TAKEN_AT_ONCE, now() + LOOK_AGAIN_IN_QUEUE_MS)
        await lookAfterAll(due)
        if (due.length < TAKEN_AT_ONCE) break
      }
    } catch (error) {
      log.debug({ err: error }, 'could not look for requests that are due')
    }
    if (!stopped) timer = setTimeout(begin, everyMs)
  }
  const begin = (): void => {
    round = look()
  }

  async function checkAll(): Promise<void> {
    try {
      await deadlines.scheduleMissing(await store.listRecent(ALL), now())
    } catch (error) {
      log.debug({ err: error }, 'could not look at all requests')
    }
  }

  begin()
  const lookingAtAll = setInterval(() => void checkAll(), LOOK_AT_ALL_EVERY_MS)
  return {
    checkAll,
    async stop() {
      stopped = true
      clearTimeout(timer)
      clearInterval(lookingAtAll)
      await round
    },
  }
}
