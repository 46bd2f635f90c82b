/**
 * Finds the requests that are due for a check and rescues those that no worker ends. Any number of rescuers may run: a
 * check that is due is taken by one of them, and the state machine accepts each end only once.
 */
import { isUnreadable } from '../core/domain/errors.ts'
import type { Queues } from '../core/queue/queues.ts'
import { CHECK_AGAIN_MS, createRescue, type RescueDeps } from './rescue-request.ts'

export interface RescuerDeps extends RescueDeps {
  queues: RescueDeps['queues'] & Pick<Queues, 'inLine'>
  everyMs?: number
}

const INTERVAL_MS = 1_000
/** Checks taken by one command, and commands per round. */
const TAKE_BATCH = 1_000
const MAX_TAKES = 20
/** Requests checked concurrently. */
const CONCURRENCY = 100
/** When a request with a waiting job is checked again, also where the rescuer that took the check has died. */
const CHECK_QUEUED_AGAIN_MS = 30_000

/** As many as the list of recent requests holds. */
const ALL = 10_000
/** For what is lost without a reconnect, as in a Cluster that fails over. */
const CHECK_ALL_INTERVAL_MS = 300_000

const NONE: ReadonlySet<string> = new Set()

export interface Rescuer {
  /** Schedules a check of every request that has none: a Redis that comes back may have lost the latest entries. */
  checkAll(): Promise<void>
  stop(): Promise<void>
}

export function startRescuer(deps: RescuerDeps): Rescuer {
  const { store, deadlineIndex, queues, log, everyMs = INTERVAL_MS, now } = deps
  const check = createRescue(deps)
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let round: Promise<void> = Promise.resolve()

  /** A request that cannot be checked must not keep the others waiting. */
  async function tryCheck(hash: string): Promise<void> {
    try {
      await check(hash)
    } catch (error) {
      // A record that another program broke stays so until that repairs it; the first reader has logged it.
      const level = isUnreadable(error) ? 'debug' : 'warn'
      log[level]({ err: error, hash }, 'could not check a request')
      await deadlineIndex.schedule(hash, now() + CHECK_AGAIN_MS)
    }
  }

  /**
   * Reads only the requests whose job does not wait in its queue: of thousands, a few commands find those that do. Their
   * next check was scheduled when this one was taken.
   */
  async function checkEach(due: readonly string[]): Promise<void> {
    if (due.length === 0) return
    // Another program may have broken the queue: then all of them are read.
    const queued = await queues.inLine(due).catch(() => NONE)
    const others = due.filter((hash) => !queued.has(hash))
    for (let from = 0; from < others.length; from += CONCURRENCY)
      await Promise.all(others.slice(from, from + CONCURRENCY).map(tryCheck))
  }

  async function checkDue(): Promise<void> {
    try {
      for (let takes = 0; takes < MAX_TAKES && !stopped; takes++) {
        const due = await deadlineIndex.take(now(), TAKE_BATCH, now() + CHECK_QUEUED_AGAIN_MS)
        await checkEach(due)
        if (due.length < TAKE_BATCH) break
      }
    } catch (error) {
      log.debug({ err: error }, 'could not read which requests are due')
    }
    if (!stopped) timer = setTimeout(startRound, everyMs)
  }
  const startRound = (): void => {
    round = checkDue()
  }

  async function checkAll(): Promise<void> {
    try {
      await deadlineIndex.scheduleMissing(await store.listRecent(ALL), now())
    } catch (error) {
      log.debug({ err: error }, 'could not schedule checks of all requests')
    }
  }

  startRound()
  const allTimer = setInterval(() => void checkAll(), CHECK_ALL_INTERVAL_MS)
  return {
    checkAll,
    async stop() {
      stopped = true
      clearTimeout(timer)
      clearInterval(allTimer)
      await round
    },
  }
}
