/** Exercises every part of Halfway that uses Redis, on the connections that the processes open. */
import { Worker } from 'bullmq'
import express from 'express'
import supertest from 'supertest'
import { expect, type TestContext } from 'vitest'
import { createOtpMailbox } from '../../core/actions/otp-mailbox.ts'
import { queuesOf } from '../../core/catalog/catalog.ts'
import type { Command } from '../../core/domain/command.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { BLOCK_SECONDS, blockingOptions, capBlockTimeout } from '../../core/queue/bullmq.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { startClock } from '../../core/redis/clock.ts'
import { openRedis, type RedisClient } from '../../core/redis/connect.ts'
import { openInstallationSecret } from '../../core/redis/installation-secret.ts'
import { loadConfig } from '../../core/runtime/config.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import { createIdempotency } from '../../core/store/idempotency-keys.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { createAddressOf, createTrust } from '../../server/client-address.ts'
import { identify } from '../../server/middleware/caller.ts'
import { limitPerMinute } from '../../server/middleware/rate-limit.ts'
import { createSessionCookies } from '../../server/sessions.ts'
import { eventually } from './eventually.ts'
import { aRecord, progressTo, REQUIRE_OTP, START, TTL_SECONDS } from './record.ts'
import { quiet } from './redis.ts'
import { catalog, creditScoreRating } from './services.ts'

export interface RedisUsers {
  /** A watched request without other writers. */
  readonly hash: string
  /** All keys of the queue are in the slot of this one. */
  readonly queuePrefix: string
  readonly subscriber: RedisClient
  /** Throws the first error. */
  verify(): Promise<void>
  /** Without a master the fail-fast connection responds or fails within a second. */
  failFast(): Promise<void>
  /** Within ten seconds everything works on the same connections, and no command of the patient one is lost. */
  verifyRecovery(): Promise<void>
  /** Within ten seconds a gap is reported, and from then on every published message is received. */
  verifyResubscribed(): Promise<void>
}

const RECOVERY = { withinMs: 10_000, everyMs: 50 }

/**
 * Call it in a test, which closes the connections at its end.
 *
 * @param settings environment variables that name the Redis
 */
export async function useRedisUsers(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  settings: Record<string, string>,
): Promise<RedisUsers> {
  const config = loadConfig(settings)
  const connections = await openRedis(config.redis, quiet, config.connections)
  onTestFinished(() => connections.stop())
  const failFast = await connections.connect('fail-fast')
  const patient = await connections.connect('patient')
  const subscriber = await connections.connect('subscriber')

  const clock = await startClock({ redis: patient, log: quiet })
  onTestFinished(() => clock.stop())
  const servers = createRequestStore({ redis: failFast, ttlSeconds: TTL_SECONDS, now: clock.now })
  const bots = createRequestStore({ redis: patient, ttlSeconds: TTL_SECONDS, now: clock.now })
  const channels = createChannelSubscriber({ redis: patient, subscriber, log: quiet })
  onTestFinished(() => channels.stop())
  const otpMailbox = createOtpMailbox({ redis: patient, channels, store: bots })
  const deadlineIndex = createDeadlineIndex({ redis: failFast })
  const idempotency = createIdempotency({ redis: failFast })
  const secret = await openInstallationSecret(failFast)
  onTestFinished(() => secret.stop())
  const limited = express().use(
    identify({
      sessions: createSessionCookies(secret),
      secret,
      signIn: { userOf: async () => null },
      addressOf: createAddressOf(createTrust(0)),
    }),
    limitPerMinute(failFast, 'submit', 1000),
    (_req, res) => void res.send('let in'),
  )

  const prefix = failFast.names.queue(creditScoreRating.queue.name)
  const queues = createQueues({ redis: failFast, log: quiet, queueList: () => queuesOf(catalog) })
  onTestFinished(() => queues.stop())
  const done = new Set<string>()
  const worker = new Worker(creditScoreRating.queue.name, async (job) => void done.add(job.id as string), {
    connection: patient,
    prefix,
    ...blockingOptions(BLOCK_SECONDS),
  })
  capBlockTimeout(worker, BLOCK_SECONDS)
  worker.on('error', () => {})
  onTestFinished(() => worker.close(true))

  const apply = async (store: typeof bots, hash: string, command: Command): Promise<void> => {
    const outcome = await store.apply(hash, command)
    if (!outcome.ok) throw new Error(`${command.type} was refused: ${outcome.rejection}`)
  }
  const watched = aRecord()
  await servers.create(watched)
  let gaps = 0
  let received = 0
  await apply(bots, watched.hash, START)
  await channels.subscribe(watched.hash, { onMessage: () => void received++, onGap: () => void gaps++ })

  const verifyDelivery = async (): Promise<void> => {
    const before = received
    await channels.publishHint(watched.hash)
    await eventually(() => expect(received).toBeGreaterThan(before), { withinMs: 1000 })
  }

  async function verify(): Promise<void> {
    const record = aRecord()
    expect(await servers.create(record)).toBe(true)
    await apply(bots, record.hash, START)
    await apply(bots, record.hash, REQUIRE_OTP)
    await apply(servers, record.hash, { type: 'submit_otp', otp: '123456' })
    expect(await otpMailbox.take(record.hash)).toBe('123456')
    expect(await servers.listRecent(1)).toContain(record.hash)

    await deadlineIndex.schedule(record.hash, clock.now())
    expect(await deadlineIndex.take(clock.now() + 1000, 100, clock.now() + 1000)).toContain(record.hash)
    await deadlineIndex.remove(record.hash)
    const claim = { fingerprint: 'f', hash: record.hash, createdAt: 1, keptSeconds: 60, seed: 's' }
    expect(await idempotency.claim(record.hash, 'key', claim)).toEqual(claim)
    expect(await idempotency.claim(record.hash, 'key', { ...claim, seed: 'other' })).toEqual(claim)
    await supertest(limited).get('/').expect(200, 'let in')

    await queues.add(record, { queue: creditScoreRating.queue })
    await eventually(() => expect(done).toContain(record.hash))
    await verifyDelivery()
  }

  return {
    hash: watched.hash,
    queuePrefix: prefix,
    subscriber,
    // On a busy machine a command may exceed the timeout of the fail-fast connection.
    verify: () => eventually(verify, RECOVERY),
    async failFast() {
      const readOnce = async (): Promise<void> => {
        const startedAt = performance.now()
        await servers.read(watched.hash).catch(() => {})
        expect(performance.now() - startedAt).toBeLessThan(1000)
      }
      // In three concurrent sequences, so that reads meet every state of a connection.
      await Promise.all(
        [0, 1, 2].map(async () => {
          for (let tries = 0; tries < 6; tries++) await readOnce()
        }),
      )
    },
    async verifyRecovery() {
      // Sent while there is no master.
      const waiting = Promise.all(Array.from({ length: 20 }, () => apply(bots, watched.hash, progressTo(10))))
      await eventually(verify, RECOVERY)
      await waiting
    },
    async verifyResubscribed() {
      await eventually(() => expect(gaps).toBeGreaterThan(0), RECOVERY)
      await eventually(verifyDelivery, RECOVERY)
    },
  }
}
