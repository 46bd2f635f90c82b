/**
 * Tries out whether what is published arrives: a connection may be alive, answer every question, and yet hear nothing,
 * as one to a replica that was cut off from its master. One that does not hear its own echo is replaced.
 */
import { nanoid } from 'nanoid'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import type { ChannelListener } from './channel-listener.ts'

const EVERY_MS = 2000
const WITHIN_MS = 2000
/** A single publish fails while a connection is replaced; the second failure in a row counts. */
const RETRY_MS = 500

/** Whether a process with a fail-fast connection sees Redis: what it publishes, it hears. */
export interface Health {
  readonly isUp: boolean
  /** Calls back on every change; returns the way to stop. */
  onChange(listener: (isUp: boolean) => void): () => void
}

export function startSubscriberCheck({
  redis,
  subscriber,
  listen,
  log,
}: {
  redis: RedisClient
  subscriber: RedisClient
  /** Resolves once what is published on this channel is to be heard. */
  listen(channel: string, listener: ChannelListener): Promise<unknown>
  log: Log
}): Health & { stop(): void } {
  const channel = redis.names.subscriberCheck(nanoid())
  const listeners = new Set<(isUp: boolean) => void>()
  let isUp = true
  let expected = ''
  let received = ''
  let gaps = 0
  let failures = 0
  let patience: NodeJS.Timeout | undefined
  let retry: NodeJS.Timeout | undefined

  function setUp(is: boolean): void {
    if (isUp === is) return
    isUp = is
    for (const listener of listeners) listener(is)
  }

  const listening = listen(channel, {
    message: (text) => {
      received = text
      failures = 0
      setUp(true)
    },
    gap: () => {
      gaps++
    },
  })

  // Its failure is reported by each call; until the first one nobody waits for it.
  listening.catch(() => {})

  async function probe(): Promise<void> {
    expected = nanoid()
    const gapsBefore = gaps
    await listening
    await redis.publish(channel, expected)
    const published = expected
    const judge = (): void => {
      expected = ''
      // Between two connections nothing is heard, which is known already.
      if (received === published || gaps !== gapsBefore) return
      setUp(false)
      if (subscriber.status !== 'ready') return
      log.warn('what is published does not arrive; listening on a new connection')
      subscriber.disconnect(true)
    }
    // After a pause of this process timers come before what has arrived meanwhile.
    patience = setTimeout(() => setImmediate(judge), WITHIN_MS).unref()
  }

  function tryOut(): void {
    if (expected !== '') return
    probe().catch((error: unknown) => {
      expected = ''
      if (++failures > 1) setUp(false)
      else retry = setTimeout(tryOut, RETRY_MS).unref()
      log.debug({ err: error }, 'could not call for an echo')
    })
  }
  const timer = setInterval(tryOut, EVERY_MS).unref()

  return {
    get isUp() {
      return isUp
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    stop() {
      clearInterval(timer)
      clearTimeout(patience)
      clearTimeout(retry)
      listeners.clear()
    },
  }
}
