/**
 * Hears the channels of requests: one subscription a request however many listen, on one connection a process.
 *
 * Pub/sub is at most once. Who listens must therefore read the record after `watch` has resolved, and again on every
 * `gap`: then nothing falls between, whatever happens to the connection.
 */

import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import type { ChannelListener } from './channel-listener.ts'
import { type Health, startSubscriberCheck } from './subscriber-health.ts'

export interface ChannelSubscriber {
  /** Resolves with the way to stop once Redis has confirmed the subscription; waits for that while Redis is away. */
  watch(hash: string, listener: ChannelListener): Promise<() => void>
  /** Says on its channel that there may be something to look at; what is true stands in the record. */
  publishHint(hash: string): Promise<void>
  readonly health: Health
  stop(): void
}

interface Channel {
  name: string
  listeners: Set<ChannelListener>
  subscribed: Promise<void>
  confirm(): void
  refuse(error: unknown): void
}

/** So many listeners read again at once after a gap; the next ones are told when Redis has confirmed theirs. */
const BATCH = 500

export function createChannelSubscriber({
  redis,
  subscriber,
  log,
}: {
  /** Publishes what `subscriber` must hear, to try it out. */
  redis: RedisClient
  subscriber: RedisClient
  log: Log
}): ChannelSubscriber {
  const channels = new Map<string, Channel>()
  const isCurrent = (channel: Channel): boolean => channels.get(channel.name) === channel

  const onMessage = (name: string, json: string): void => {
    for (const listener of channels.get(name)?.listeners ?? []) listener.message(json)
  }

  /** False when it failed; what failed because the connection went is made good when there is one again. */
  const subscribe = async (wanted: Channel[]): Promise<boolean> => {
    if (wanted.length === 0) return true
    try {
      await subscriber.subscribe(...wanted.map(({ name }) => name))
      for (const channel of wanted) channel.confirm()
      return true
    } catch (error) {
      log.debug({ err: error }, 'could not subscribe')
      if (subscriber.status === 'ready') for (const channel of wanted) channel.refuse(error)
      return false
    }
  }

  // The gap ends when Redis has confirmed the subscriptions, not when the connection is ready: whoever read between
  // the two would miss what was published right after.
  const onReady = async (): Promise<void> => {
    const all = [...channels.values()]
    for (let from = 0; from < all.length; from += BATCH) {
      const batch = all.slice(from, from + BATCH).filter(isCurrent)
      if (!(await subscribe(batch))) return
      for (const { listeners } of batch) for (const listener of listeners) listener.gap()
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

  const listen = async (name: string, listener: ChannelListener): Promise<() => void> => {
    const channel = join(name, listener)
    try {
      await channel.subscribed
    } catch (error) {
      leave(channel, listener)
      throw error
    }
    return () => leave(channel, listener)
  }

  const echo = startSubscriberCheck({ redis, subscriber, listen, log })
  return {
    watch: (hash, listener) => listen(redis.names.channel(hash), listener),
    async publishHint(hash) {
      await redis.publish(redis.names.channel(hash), '{}')
    },
    health: echo,
    stop() {
      echo.stop()
      subscriber.off('message', onMessage)
      subscriber.off('ready', onReady)
      channels.clear()
    },
  }
}

function openChannel(name: string, listener: ChannelListener): Channel {
  let confirm = (): void => {}
  let refuse = (_error: unknown): void => {}
  const subscribed = new Promise<void>((resolve, reject) => {
    confirm = resolve
    refuse = reject
  })
  subscribed.catch(() => {})
  return { name, listeners: new Set([listener]), subscribed, confirm, refuse }
}
