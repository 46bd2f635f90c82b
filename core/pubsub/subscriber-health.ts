/**
 * Checks that published messages arrive. A connection may be alive and answer every command, and yet receive no message:
 * one to a replica that was cut off from its master, for instance. A connection that misses its own probe is replaced.
 */
import type { Redis } from 'ioredis'
import { nanoid } from 'nanoid'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import type { ChannelListener } from './channel-listener.ts'

const INTERVAL_MS = 2000
const TIMEOUT_MS = 2000
/** A single publish fails while a connection is replaced; the second failure in a row counts. */
const RETRY_MS = 500

/** Whether a process with a fail-fast connection can use Redis: it receives what it publishes. */
export interface Health {
  readonly isUp: boolean
  /** Calls back on every change. Returns the function that stops it. */
  onChange(listener: (isUp: boolean) => void): () => void
}

export function createHealth(): Health & { set(isUp: boolean): void; clear(): void } {
  const listeners = new Set<(isUp: boolean) => void>()
  let isUp = true
  return {
    get isUp() {
      return isUp
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    set(is) {
      if (isUp === is) return
      isUp = is
      for (const listener of listeners) listener(is)
    },
    clear: () => listeners.clear(),
  }
}

export interface SubscriberCheck extends Health {
  stop(): void
}

export function startSubscriberCheck({
  channel,
  publish,
  subscriber,
  listen,
  log,
}: {
  channel: string
  publish(text: string): Promise<unknown>
  subscriber: RedisClient | Redis
  /** Resolves once messages of this channel are received, with the function that stops it. */
  listen(channel: string, listener: ChannelListener): Promise<() => void>
  log: Log
}): SubscriberCheck {
  const health = createHealth()
  let expected = ''
  let received = ''
  let gaps = 0
  let failures = 0
  let timeout: NodeJS.Timeout | undefined
  let retry: NodeJS.Timeout | undefined

  const listening = listen(channel, {
    onMessage: (text) => {
      received = text
      failures = 0
      health.set(true)
    },
    onGap: () => {
      gaps++
    },
  })
  // Each probe reports its failure; before the first one nothing awaits it.
  listening.catch(() => {})

  async function sendProbe(): Promise<void> {
    expected = nanoid()
    const gapsBefore = gaps
    await listening
    await publish(expected)
    const published = expected
    const check = (): void => {
      expected = ''
      // Between two connections nothing is received, which is known already.
      if (received === published || gaps !== gapsBefore) return
      health.set(false)
      if (subscriber.status !== 'ready') return
      log.warn('published messages do not arrive; subscribing on a new connection')
      subscriber.disconnect(true)
    }
    // After a pause of this process timers run before the messages that arrived meanwhile.
    timeout = setTimeout(() => setImmediate(check), TIMEOUT_MS).unref()
  }

  function probe(): void {
    if (expected !== '') return
    sendProbe().catch((error: unknown) => {
      expected = ''
      if (++failures > 1) health.set(false)
      else retry = setTimeout(probe, RETRY_MS).unref()
      log.debug({ err: error }, 'could not publish a probe')
    })
  }
  const timer = setInterval(probe, INTERVAL_MS).unref()

  return {
    get isUp() {
      return health.isUp
    },
    onChange: health.onChange,
    stop() {
      clearInterval(timer)
      clearTimeout(timeout)
      clearTimeout(retry)
      health.clear()
      void endListening(listening)
    },
  }
}

/** Once it has started. */
export const endListening = (starting: Promise<() => void>): Promise<void> =>
  starting.then(
    (stop) => stop(),
    () => {},
  )
