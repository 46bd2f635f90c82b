/**
 * Tries out whether what is published arrives: a connection may be alive, answer every question, and yet hear nothing,
 * as one to a replica that was cut off from its master. One that does not hear its own echo is replaced.
 */
import { nanoid } from 'nanoid'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import type { BusListener } from './channel-listener.ts'

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

export function startEcho({
  redis,
  subscriber,
  listen,
  log,
}: {
  redis: RedisClient
  subscriber: RedisClient
  /** Resolves once what is published on this channel is to be heard. */
  listen(channel: string, listener: BusListener): Promise<unknown>
  log: Log
}): Health & { stop(): void } {
  const channel = redis.names.echo(nanoid())
  const listeners = new Set<(isUp: boolean) => void>()
  let isUp = true
  let called = ''
  let heard = ''
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
      heard = text
      failures = 0
      setUp(true)
    },
    gap: () => {
      gaps++
    },
  })

  // Its failure is reported by each call; until the first one nobody waits for it.
  listening.catch(() => {})

  async function call(): Promise<void> {
    called = nanoid()
    const gapsBefore = gaps
    await listening
    await redis.publish(channel, called)
    const published = called
    const judge = (): void => {
      called = ''
      // Between two connections nothing is heard, which is known already.
      if (heard === published || gaps !== gapsBefore) return
      setUp(false)
      if (subscriber.status !== 'ready') return
      log.warn('what is published does not arrive; listening on a new connection')
      subscriber.disconnect(true)
    }
    // After a pause of this process timers come before what has arrived meanwhile.
    patience = setTimeout(() => setImmediate(judge), WITHIN_MS).unref()
  }

  function tryOut(): void {
    if (called !== '') return
    call().catch((error: unknown) => {
      called = ''
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
