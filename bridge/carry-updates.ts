/**
 * Carries every message on the channels of requests from Redis to NATS unchanged: sealed values stay sealed.
 *
 * Each sign of life goes the same way, by a channel of its own on the same connection, and is numbered. After a time in which
 * messages may have been lost a number is left out, so that servers know (`core/pubsub/nats-feed.ts`).
 */
import { nanoid } from 'nanoid'
import { isRequestHash } from '../core/domain/request-id.ts'
import { BRIDGES, SIGN_MS, SILENCE_MS } from '../core/pubsub/nats-feed.ts'
import type { NatsLink } from '../core/pubsub/nats-link.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { Log } from '../core/runtime/log.ts'
import { HINT } from '../core/store/publish-hint.ts'

export interface Bridge {
  /** From now on, messages are carried to this server, too. */
  carryTo(nats: NatsLink): void
  stop(): void
}

interface Link {
  nats: NatsLink
  /** Of its last sign. */
  number: number
}

/** Resolves once Redis has confirmed the subscription. */
export async function startBridge({
  redis,
  subscriber,
  log,
}: {
  /** Publishes the signs that `subscriber` must receive. */
  redis: RedisClient
  subscriber: RedisClient
  log: Log
}): Promise<Bridge> {
  const { names } = redis
  const id = nanoid()
  const links: Link[] = []
  const channel = names.subscriberCheck(id)
  const before = names.channel('')
  let signedAt = performance.now()

  const sign = (link: Link): void => {
    link.number++
    if (link.nats.isConnected) link.nats.publish(names.natsSubject(BRIDGES), `${id} ${link.number}`)
  }
  const signLoss = (link: Link): void => {
    link.number++
    sign(link)
  }
  const onSign = (): void => {
    signedAt = performance.now()
    for (const link of links) sign(link)
  }
  const onMessage = (_pattern: Buffer, name: Buffer, message: Buffer): void => {
    const hash = name.toString().slice(before.length)
    if (isRequestHash(hash)) for (const { nats } of links) carry(nats, names.natsSubject(hash), message)
  }
  const subscribe = async (): Promise<void> => {
    await subscriber.psubscribe(names.channel('*'))
    await subscriber.subscribe(channel)
    signedAt = performance.now()
  }
  const onReady = async (): Promise<void> => {
    try {
      await subscribe()
      for (const link of links) signLoss(link)
    } catch (error) {
      log.debug({ err: error }, 'could not subscribe')
    }
  }
  /** A connection may answer every command, and yet receive no message. */
  const probe = async (): Promise<void> => {
    await redis.publish(channel, '')
    if (subscriber.status !== 'ready' || performance.now() - signedAt < SILENCE_MS) return
    log.warn('published messages do not arrive; subscribing on a new connection')
    subscriber.disconnect(true)
  }
  const timer = setInterval(
    () => void probe().catch((error: unknown) => log.debug({ err: error }, 'could not publish a sign')),
    SIGN_MS,
  )
  subscriber.on('pmessageBuffer', onMessage)
  subscriber.on('message', onSign)
  await subscribe()
  subscriber.on('ready', onReady)
  return {
    carryTo(nats) {
      const link = { nats, number: 0 }
      links.push(link)
      nats.onBack(() => signLoss(link))
      sign(link)
    },
    stop() {
      clearInterval(timer)
      subscriber.off('pmessageBuffer', onMessage)
      subscriber.off('message', onSign)
      subscriber.off('ready', onReady)
    },
  }
}

function carry(nats: NatsLink, subject: string, message: Buffer): void {
  if (!nats.isConnected) return
  try {
    nats.publish(subject, message)
  } catch {
    // Of another program, and larger than this NATS allows.
    nats.publish(subject, HINT)
  }
}
