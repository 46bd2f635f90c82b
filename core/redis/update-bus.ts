/**
 * Hears the channels of requests: one subscription a request however many listen, on one connection a process.
 *
 * Pub/sub is at most once. Who listens must therefore read the record after `watch` has resolved, and again on every
 * `gap`: then nothing falls between, whatever happens to the connection.
 */
import type { Log } from '../log.ts'
import type { RedisClient } from './connect.ts'
import { keys } from './keys.ts'

export interface BusListener {
  /** What was published, as it came: ours is sealed, a foreign one is not. */
  message(json: string): void
  /** Something may have been missed: read again. */
  gap(): void
}

export interface UpdateBus {
  /** Resolves with the way to stop once Redis has confirmed the subscription. */
  watch(hash: string, listener: BusListener): Promise<() => void>
  stop(): void
}

interface Channel {
  listeners: Set<BusListener>
  subscribed: Promise<unknown>
}

export function createUpdateBus({ subscriber, log }: { subscriber: RedisClient; log: Log }): UpdateBus {
  const channels = new Map<string, Channel>()

  const onMessage = (name: string, json: string): void => {
    for (const listener of channels.get(name)?.listeners ?? []) listener.message(json)
  }
  // The gap ends when Redis has confirmed the subscriptions, not when the connection is ready: whoever read between
  // the two would miss what was published right after.
  const onReady = async (): Promise<void> => {
    const names = [...channels.keys()]
    if (names.length === 0) return
    try {
      await subscriber.subscribe(...names)
    } catch (error) {
      return log.debug({ err: error }, 'the connection went again while subscribing')
    }
    for (const name of names) for (const listener of channels.get(name)?.listeners ?? []) listener.gap()
  }
  subscriber.on('message', onMessage)
  subscriber.on('ready', onReady)

  const join = (name: string, listener: BusListener): Channel => {
    const present = channels.get(name)
    if (present) {
      present.listeners.add(listener)
      return present
    }
    const channel: Channel = { listeners: new Set([listener]), subscribed: subscriber.subscribe(name) }
    channel.subscribed.catch(() => {})
    channels.set(name, channel)
    return channel
  }

  const leave = (name: string, listener: BusListener): void => {
    const channel = channels.get(name)
    if (!channel?.listeners.delete(listener) || channel.listeners.size > 0) return
    channels.delete(name)
    subscriber.unsubscribe(name).catch((error: unknown) => log.debug({ err: error }, 'could not unsubscribe'))
  }

  return {
    async watch(hash, listener) {
      const name = keys.channel(hash)
      const { subscribed } = join(name, listener)
      try {
        await subscribed
      } catch (error) {
        leave(name, listener)
        throw error
      }
      let left = false
      return () => {
        if (left) return
        left = true
        leave(name, listener)
      }
    },
    stop() {
      subscriber.off('message', onMessage)
      subscriber.off('ready', onReady)
      channels.clear()
    },
  }
}
