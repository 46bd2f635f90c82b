/** One subscription for each channel, however many listen, on a connection that may be lost and restored at any time. */
import type { DataBox } from '../runtime/data-box.ts'
import type { Log } from '../runtime/log.ts'
import { openMessage } from '../store/sealed-fields.ts'
import type { ChannelListener } from './channel-listener.ts'

/** The connection. */
export interface PubSub {
  readonly isReady: boolean
  /** Resolves once all are confirmed, also those that it has already. */
  subscribe(names: readonly string[]): Promise<unknown>
  /** Of a connection that is lost, too. */
  unsubscribe(name: string): Promise<unknown>
}

interface Channel {
  name: string
  listeners: Set<ChannelListener>
  subscribed: Promise<void>
  /** Null once it has settled: there are many channels. */
  waiting: { confirm(): void; reject(error: unknown): void } | null
}

/** Channels that are subscribed again together after a gap: their listeners read once the batch is confirmed. */
const BATCH_SIZE = 500

/** @param box opens what is sealed in messages */
export function createSubscriptions(pubSub: PubSub, box: DataBox, log: Log) {
  const channels = new Map<string, Channel>()
  const isCurrent = (channel: Channel): boolean => channels.get(channel.name) === channel

  /** False on failure. After a lost connection `repeat` subscribes again. */
  const subscribe = async (wanted: Channel[]): Promise<boolean> => {
    if (wanted.length === 0) return true
    try {
      await pubSub.subscribe(wanted.map(({ name }) => name))
      for (const channel of wanted) settle(channel, ({ confirm }) => confirm())
      return true
    } catch (error) {
      log.debug({ err: error }, 'could not subscribe')
      if (pubSub.isReady) for (const channel of wanted) settle(channel, ({ reject }) => reject(error))
      return false
    }
  }

  const join = (name: string, listener: ChannelListener): Channel => {
    const present = channels.get(name)
    if (present) {
      present.listeners.add(listener)
      return present
    }
    const channel = openChannel(name, listener)
    channels.set(name, channel)
    if (pubSub.isReady) void subscribe([channel])
    return channel
  }

  const leave = (channel: Channel, listener: ChannelListener): void => {
    if (!channel.listeners.delete(listener) || channel.listeners.size > 0 || !isCurrent(channel)) return
    channels.delete(channel.name)
    pubSub.unsubscribe(channel.name).catch(() => {})
  }

  return {
    deliver(name: string, message: string): void {
      const json = box.opens ? openMessage(box, message) : message
      for (const listener of channels.get(name)?.listeners ?? []) listener.onMessage(json)
    },
    /**
     * After messages may have been lost. The gap ends when the subscriptions are confirmed, not when the connection is ready: a
     * read between the two would miss a message published right after it.
     */
    async repeat(): Promise<void> {
      const all = [...channels.values()]
      for (let from = 0; from < all.length; from += BATCH_SIZE) {
        const batch = all.slice(from, from + BATCH_SIZE).filter(isCurrent)
        if (!(await subscribe(batch))) return
        for (const { listeners } of batch) for (const listener of listeners) listener.onGap()
      }
    },
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
    stop: () => channels.clear(),
  }
}

function settle(channel: Channel, how: (waiting: NonNullable<Channel['waiting']>) => void): void {
  if (!channel.waiting) return
  how(channel.waiting)
  channel.waiting = null
}

function openChannel(name: string, listener: ChannelListener): Channel {
  let waiting: Channel['waiting'] = null
  const subscribed = new Promise<void>((confirm, reject) => {
    waiting = { confirm, reject }
  })
  subscribed.catch(() => {})
  return { name, listeners: new Set([listener]), subscribed, waiting }
}
