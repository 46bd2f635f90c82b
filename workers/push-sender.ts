/**
 * Notifies the browsers that subscribed to a request of its news: a question, the end. Looks at each such request every two
 * seconds, so that it does not matter which process changed it: a program may write to Redis itself.
 *
 * Any number of senders may run. One that looks at a request holds it for half a minute: when its process dies meanwhile,
 * another one takes over. So each news is sent at least once while a sender runs, and twice only where a process died
 * between a call and noting it; the browser then shows the same notification again, in its place.
 */
import { newsOf } from '../core/domain/news.ts'
import { isFinal, type RequestRecord } from '../core/domain/record.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import type { Log } from '../core/runtime/log.ts'
import type { PushSubscription, PushSubscriptions } from '../core/store/push-subscriptions.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import type { PushClient } from './push-client.ts'

export interface PushSenderDeps {
  store: Pick<RequestStore, 'read'>
  subscriptions: PushSubscriptions
  client: Pick<PushClient, 'send'>
  log: Log
  /** Milliseconds since 1970, by the clock of the records. */
  now: () => number
  everyMs?: number
  /** Between two looks at a request. */
  lookAgainMs?: number
  /** The shortest delay after a failed call; it doubles. */
  retryMs?: number
}

export interface PushSender {
  stop(): Promise<void>
}

const INTERVAL_MS = 1_000
const LOOK_AGAIN_MS = 2_000
/** Of a request that is due later, which only a cancellation changes until then. */
const LOOK_AGAIN_SCHEDULED_MS = 30_000
/** Longer than a look takes, with its calls. */
const LEASE_MS = 30_000
/** Requests looked at concurrently. */
const CONCURRENCY = 200
const MAX_TRIES = 5
const RETRY_MS = 5_000
const MAX_RETRY_MS = 300_000

export function startPushSender(deps: PushSenderDeps): PushSender {
  const { subscriptions, log, now, everyMs = INTERVAL_MS } = deps
  const look = createLook(deps)
  const running = new Set<Promise<void>>()
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let round: Promise<void> = Promise.resolve()

  function start(hash: string): void {
    const one = look(hash)
      // It is looked at again when the lease ends.
      .catch((error: unknown) =>
        log.debug({ err: error, request: shortReference(hash) }, 'could not notify browsers of a request'),
      )
      .finally(() => running.delete(one))
    running.add(one)
  }

  async function takeDue(): Promise<void> {
    try {
      while (!stopped) {
        const free = CONCURRENCY - running.size
        const due = await subscriptions.take(now(), free, now() + LEASE_MS)
        due.forEach(start)
        if (due.length < free) break
        await Promise.race(running)
      }
    } catch (error) {
      log.debug({ err: error }, 'could not read which requests have news')
    }
    if (!stopped) timer = setTimeout(startRound, everyMs)
  }
  const startRound = (): void => {
    round = takeDue()
  }

  startRound()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await round
      await Promise.all(running)
    },
  }
}

/** @returns a function that looks at one request, sends its news and says when it is to be looked at again */
function createLook(deps: PushSenderDeps): (hash: string) => Promise<void> {
  const { store, subscriptions, now, lookAgainMs = LOOK_AGAIN_MS } = deps
  const notify = createNotify(deps)

  return async (hash) => {
    const record = (await store.read(hash))?.record
    if (!record) return subscriptions.clear(hash)
    const all = await subscriptions.list(record)
    const areOpen = await Promise.all(all.map((subscription) => notify(record, subscription)))
    if (isFinal(record.status) && !areOpen.includes(true)) return subscriptions.clear(hash)
    const startsAt = record.status === 'pending' && record.run_at ? Date.parse(record.run_at) : 0
    const waitMs = Math.max(lookAgainMs, Math.min(startsAt - now(), LOOK_AGAIN_SCHEDULED_MS))
    await subscriptions.schedule(hash, now() + waitMs)
  }
}

function createNotify({ subscriptions, client, log, now, retryMs = RETRY_MS }: PushSenderDeps) {
  /** @returns whether the browser still has to be notified */
  return async (record: RequestRecord, known: PushSubscription): Promise<boolean> => {
    const { hash, expires_at } = record
    const { endpoint, retryAt } = known
    const news = newsOf(record)
    if (news === '' || news === known.news) return false
    if (retryAt > now()) return true
    const ttlSeconds = Math.max(0, Math.round((Date.parse(expires_at) - now()) / 1000))
    const outcome = await client.send({ endpoint, hash, ttlSeconds })
    if (outcome.is === 'gone') {
      await subscriptions.remove(hash, endpoint)
      return false
    }
    const tries = known.tries + 1
    const isOpen = outcome.is === 'failed' && tries < MAX_TRIES
    if (outcome.is !== 'sent' && !isOpen)
      log.warn(
        { request: shortReference(hash), host: new URL(endpoint).host, reason: outcome.reason },
        'a browser was not notified',
      )
    if (!isOpen) {
      await subscriptions.save(hash, endpoint, { news, tries: 0, retryAt: 0 })
      return false
    }
    const waitMs = Math.min(Math.max(outcome.retryAfterMs, retryMs * 2 ** known.tries), MAX_RETRY_MS)
    await subscriptions.save(hash, endpoint, { news: known.news, tries, retryAt: now() + waitMs })
    return true
  }
}
