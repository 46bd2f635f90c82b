/**
 * Subscribes to the channels of requests: one subscription per request, however many listen, on one connection per process.
 *
 * Pub/sub delivers at most once. So a listener must read the record after `subscribe` has resolved, and again on every `onGap`:
 * then it misses nothing, whatever happens to the connection.
 */
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import type { ChannelListener } from './channel-listener.ts'
import { type Health, startSubscriberCheck } from './subscriber-health.ts'

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

export function createChannelSubscriber({
  redis,
  subscriber,
  log,
}: {
  /** Publishes the probes that `subscriber` must receive. */
  redis: RedisClient
  subscriber: RedisClient
  log: Log
}): ChannelSubscriber {
  const subscriptions = createSubscriptions(subscriber, log)
  const check = startSubscriberCheck({ redis, subscriber, listen: subscriptions.listen, log })
  return {
    subscribe: (hash, listener) => subscriptions.listen(redis.names.channel(hash), listener),
    async publishHint(hash) {
      await redis.publish(redis.names.channel(hash), '{}')
    },
    health: check,
    stop() {
      check.stop()
      subscriptions.stop()
    },
  }
}

function createSubscriptions(subscriber: RedisClient, log: Log) {
  const channels = new Map<string, Channel>()
  const isCurrent = (channel: Channel): boolean => channels.get(channel.name) === channel

  const onMessage = (name: string, json: string): void => {
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
