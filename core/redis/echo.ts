/**
 * Tries out whether what is published arrives: a connection may be alive, answer every question, and yet hear nothing,
 * as one to a replica that was cut off from its master. One that does not hear its own echo is replaced.
 */
import { nanoid } from 'nanoid'
import type { Log } from '../log.ts'
import type { RedisClient } from './connect.ts'
import type { BusListener } from './update-bus.ts'

const EVERY_MS = 2000
const WITHIN_MS = 2000

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
}): { stop(): void } {
  const channel = redis.names.echo(nanoid())
  let called = ''
  let heard = ''
  let gaps = 0
  let patience: NodeJS.Timeout | undefined

  const listening = listen(channel, {
    message: (text) => {
      heard = text
    },
    gap: () => {
      gaps++
    },
  })

  async function call(): Promise<void> {
    called = nanoid()
    const gapsBefore = gaps
    await listening
    await redis.publish(channel, called)
    const published = called
    patience = setTimeout(() => {
      called = ''
      // Between two connections nothing is heard, which is known already.
      if (heard === published || gaps !== gapsBefore || subscriber.status !== 'ready') return
      log.warn('what is published does not arrive; listening on a new connection')
      subscriber.disconnect(true)
    }, WITHIN_MS).unref()
  }
  const timer = setInterval(() => {
    if (called !== '') return
    call().catch((error: unknown) => {
      called = ''
      log.debug({ err: error }, 'could not call for an echo')
    })
  }, EVERY_MS).unref()

  return {
    stop() {
      clearInterval(timer)
      clearTimeout(patience)
    },
  }
}
