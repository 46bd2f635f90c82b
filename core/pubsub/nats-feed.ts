/**
 * Messages over NATS, where bridges (`bridge/`) carry what was published in Redis. Each bridge numbers its signs of life, without
 * a gap as long as it has carried everything. So messages may be missing when a number is, when a bridge is new, after a silence,
 * and after a lost connection: then the listeners read.
 */
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import type { NatsLink, NatsSubscription } from './nats-link.ts'
import { createHealth } from './subscriber-health.ts'
import { createSubscriptions, type PubSub } from './subscriptions.ts'
import type { UpdateFeed } from './update-feed.ts'

/** In the place of a hash: the subject of the signs. A user of NATS with a right to the updates has one to these. */
export const BRIDGES = 'bridges'
/** A bridge gives a sign in this time. */
export const SIGN_MS = 1000
/** Then what should have given signs counts as dead. */
export const SILENCE_MS = 3000
const CHECK_MS = 500

/** Their entries are small, but a bridge may be restarted again and again. */
const MAX_BRIDGES = 100

export function openNatsFeed(redis: RedisClient, nats: NatsLink, log: Log): UpdateFeed {
  const { names, box } = redis
  const pubSub = createPubSub(nats, (name, text) => deliver(name, text))
  const { deliver, repeat, listen, stop } = createSubscriptions(pubSub, box, log)
  const health = createHealth()
  /** The numbers of their last signs. */
  const bridges = new Map<string, number>()
  let signAt = performance.now()

  const onSign = (text: string): void => {
    const [id = '', number] = text.split(' ')
    const isNext = bridges.get(id) === Number(number) - 1
    if (bridges.size > MAX_BRIDGES) bridges.clear()
    bridges.set(id, Number(number))
    if (!isNext || !health.isUp) void repeat()
    signAt = performance.now()
    health.set(true)
  }
  const check = (): void => {
    if (!health.isUp || performance.now() - signAt < SILENCE_MS) return
    log.warn('no bridge gives a sign of life: updates do not arrive')
    health.set(false)
  }
  // After a pause of this process timers run before the messages that arrived meanwhile.
  const timer = setInterval(() => setImmediate(check), CHECK_MS).unref()
  const signs = nats.subscribe(names.natsSubject(BRIDGES), onSign)
  nats.onBack(repeat)
  return {
    listen: (hash, listener) => listen(names.natsSubject(hash), listener),
    health,
    stop() {
      clearInterval(timer)
      signs.unsubscribe()
      health.clear()
      stop()
    },
  }
}

function createPubSub(nats: NatsLink, onMessage: (name: string, text: string) => void): PubSub {
  const active = new Map<string, NatsSubscription>()
  return {
    get isReady() {
      return nats.isConnected
    },
    async subscribe(wanted) {
      for (const name of wanted)
        if (!active.has(name))
          active.set(
            name,
            nats.subscribe(name, (text) => onMessage(name, text)),
          )
      await nats.flush()
      for (const name of wanted)
        if (active.get(name)?.isClosed()) {
          active.delete(name)
          throw new Error('NATS refuses a subscription')
        }
    },
    async unsubscribe(name) {
      active.get(name)?.unsubscribe()
      active.delete(name)
    },
  }
}
