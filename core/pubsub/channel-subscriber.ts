/**
 * Subscribes to the channels of requests: one subscription per request, however many listen, on one connection per process; to
 * sharded channels of a Cluster on one connection per master.
 *
 * Pub/sub delivers at most once. So a listener must read the record after `subscribe` has resolved, and again on every `onGap`:
 * then it misses nothing, whatever happens to the connection.
 */
import { Cluster } from 'ioredis'
import { nanoid } from 'nanoid'
import type { RedisClient, SubscriberClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import { publishHint } from '../store/publish-hint.ts'
import { openMessage } from '../store/sealed-fields.ts'
import type { ChannelListener } from './channel-listener.ts'
import { createShardedSubscriptions } from './sharded-subscriptions.ts'
import { createHealth, endListening, type Health, startSubscriberCheck } from './subscriber-health.ts'

export interface ChannelSubscriber {
  /** Resolves with the function that stops it, once Redis has confirmed the subscription; waits while Redis is away. */
  subscribe(hash: string, listener: ChannelListener): Promise<() => void>
  /** Publishes that the record may have changed; subscribers read it. */
  publishHint(hash: string): Promise<void>
  readonly health: Health
  stop(): void
}

interface Channel {
  name: string
  listeners: Set<ChannelListener>
  subscribed: Promise<void>
  confirm(): void
  reject(error: unknown): void
}

/** Channels that are subscribed again together after a reconnect: their listeners read once Redis has confirmed the batch. */
const BATCH_SIZE = 500

type Listen = (hash: string, listener: ChannelListener) => Promise<() => void>

/** The channels of one kind. */
interface Lane {
  listen: Listen
  health: Health
  stop(): void
}

interface Deps {
  /** Publishes the probes that `subscriber` must receive. */
  redis: RedisClient
  subscriber: SubscriberClient
  log: Log
}

export function createChannelSubscriber(deps: Deps): ChannelSubscriber {
  const { redis } = deps
  const { plain, sharded } = redis.names.channelsOf('')
  const lanes = [...(plain ? [openPlainLane(deps)] : []), ...(sharded ? [openShardedLane(deps)] : [])]
  const [lane] = lanes as [Lane]
  return {
    subscribe: lanes.length === 1 ? lane.listen : listenOnAll(lanes),
    publishHint: (hash) => publishHint(redis, hash),
    health: lanes.length === 1 ? lane.health : healthOfAll(lanes),
    stop() {
      for (const one of lanes) one.stop()
    },
  }
}

function openPlainLane({ redis, subscriber, log }: Deps): Lane {
  const { names } = redis
  const { listen, stop } = createSubscriptions(subscriber, log)
  const channel = names.subscriberCheck(nanoid())
  const publish = (text: string) => redis.publish(channel, text)
  const check = startSubscriberCheck({ channel, publish, subscriber, listen, log })
  return {
    listen: (hash, listener) => listen(names.channel(hash), listener),
    health: check,
    stop() {
      check.stop()
      stop()
    },
  }
}

function openShardedLane({ redis, subscriber, log }: Deps): Lane {
  const { openShard } = subscriber
  if (!(redis instanceof Cluster) || !openShard) throw new Error('only a Cluster has sharded channels')
  const { listen, health, stop } = createShardedSubscriptions({ cluster: redis, openShard, log })
  return {
    listen: (hash, listener) => listen(redis.names.channelsOf(hash).sharded, listener),
    health,
    stop,
  }
}

const listenOnAll =
  (lanes: readonly Lane[]): Listen =>
  async (hash, listener) => {
    const starting = lanes.map(({ listen }) => listen(hash, listener))
    try {
      const stops = await Promise.all(starting)
      return () => {
        for (const stop of stops) stop()
      }
    } catch (error) {
      for (const one of starting) void endListening(one)
      throw error
    }
  }

function healthOfAll(lanes: readonly Lane[]): Health {
  const health = createHealth()
  const update = (): void => health.set(lanes.every((lane) => lane.health.isUp))
  for (const lane of lanes) lane.health.onChange(update)
  return health
}

function createSubscriptions(subscriber: RedisClient, log: Log) {
  const channels = new Map<string, Channel>()
  const isCurrent = (channel: Channel): boolean => channels.get(channel.name) === channel

  const onMessage = (name: string, message: string): void => {
    const { box } = subscriber
    const json = box.opens ? openMessage(box, message) : message
    for (const listener of channels.get(name)?.listeners ?? []) listener.onMessage(json)
  }

  /** False on failure. After a lost connection `onReady` subscribes again. */
  const subscribe = async (wanted: Channel[]): Promise<boolean> => {
    if (wanted.length === 0) return true
    try {
      await subscriber.subscribe(...wanted.map(({ name }) => name))
      for (const channel of wanted) channel.confirm()
      return true
    } catch (error) {
      log.debug({ err: error }, 'could not subscribe')
      if (subscriber.status === 'ready') for (const channel of wanted) channel.reject(error)
      return false
    }
  }

  // The gap ends when Redis has confirmed the subscriptions, not when the connection is ready: a read between the two
  // would miss a message published right after it.
  const onReady = async (): Promise<void> => {
    const all = [...channels.values()]
    for (let from = 0; from < all.length; from += BATCH_SIZE) {
      const batch = all.slice(from, from + BATCH_SIZE).filter(isCurrent)
      if (!(await subscribe(batch))) return
      for (const { listeners } of batch) for (const listener of listeners) listener.onGap()
    }
  }
  subscriber.on('message', onMessage)
  subscriber.on('ready', onReady)

  const join = (name: string, listener: ChannelListener): Channel => {
    const present = channels.get(name)
    if (present) {
      present.listeners.add(listener)
      return present
    }
    const channel = openChannel(name, listener)
    channels.set(name, channel)
    if (subscriber.status === 'ready') void subscribe([channel])
    return channel
  }

  const leave = (channel: Channel, listener: ChannelListener): void => {
    if (!channel.listeners.delete(listener) || channel.listeners.size > 0 || !isCurrent(channel)) return
    channels.delete(channel.name)
    if (subscriber.status !== 'ready') return
    subscriber
      .unsubscribe(channel.name)
      .catch((error: unknown) => log.debug({ err: error }, 'could not unsubscribe'))
  }

  return {
    async listen(name: string, listener: ChannelListener): Promise<() => void> {
      const channel = join(name, listener)
      try {
        await channel.subscribed
      } catch (error) {
        leave(channel, listener)
        throw error
      }
      return () => leave(channel, listener)
    },
    stop() {
      subscriber.off('message', onMessage)
      subscriber.off('ready', onReady)
      channels.clear()
    },
  }
}

function openChannel(name: string, listener: ChannelListener): Channel {
  let confirm = (): void => {}
  let reject = (_error: unknown): void => {}
  const subscribed = new Promise<void>((resolvePromise, rejectPromise) => {
    confirm = resolvePromise
    reject = rejectPromise
  })
  subscribed.catch(() => {})
  return { name, listeners: new Set([listener]), subscribed, confirm, reject }
}
