/** Redis refuses to write a bot's answer: the answer is written later, and the bot is not called again. */
import { rmSync } from 'node:fs'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createOtpMailbox } from '../../core/actions/otp-mailbox.ts'
import { queuesOf } from '../../core/catalog/catalog.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { isFinal, type RequestRecord } from '../../core/domain/record.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../../core/pubsub/request-watcher.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { createSecretBox } from '../../core/runtime/secret-box.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import { createRequestStore, type RequestStore } from '../../core/store/request-store.ts'
import { createRunTimes } from '../../core/store/run-times.ts'
import { createSubjectLimiter } from '../../core/store/subject-limits.ts'
import { createBotClient } from '../../workers/bot-client.ts'
import { createRequestWorker } from '../../workers/request-worker.ts'
import { eventually } from '../helpers/eventually.ts'
import { aHash, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, quiet } from '../helpers/redis.ts'
import { type RedisProcess, startSingle } from '../helpers/redis-servers.ts'
import { catalog, linkCheck } from '../helpers/services.ts'
import { failure, later, type Reply, smsSent, success, useForeignBot } from './foreign-bot.ts'
import { onlyBot, TOKEN } from './one-bot.ts'

const LOCK_MS = 2000
const ONCE: Service = { ...linkCheck, tries: 1, backoff: { type: 'fixed', seconds: 0.01, jitter: 0 } }

describe.skipIf(!onRealRedis)('while Redis refuses writes', { timeout: 30_000 }, async () => {
  const bot = await useForeignBot()
  let redis: RedisProcess
  /** Opened in advance: Redis accepts no new connection while it is busy. */
  let admin: Redis
  let store: RequestStore
  let submit: (...replies: Reply[]) => Promise<string>
  /** Number of refused reads and writes of the workers, by request. */
  const refusals = new Map<string, number>()
  const stops: (() => unknown)[] = []

  beforeAll(async () => {
    redis = await startSingle({ save: '3600 1', 'lua-time-limit': '10' })
    admin = new Redis(redis.port)
    await admin.ping()
    const connections = await openRedis({ kind: 'single', url: redis.settings.REDIS_URL as string }, quiet)
    const client = await connections.connect('patient')
    store = createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS })
    const channels = createChannelSubscriber({
      redis: client,
      subscriber: await connections.connect('subscriber'),
      log: quiet,
    })
    const watcher = createRequestWatcher({ store, channels, log: quiet })
    const queues = createQueues({ redis: client, log: quiet, queueList: () => queuesOf(catalog) })
    const count = (hash: string, error: unknown): never => {
      refusals.set(hash, (refusals.get(hash) ?? 0) + 1)
      throw error
    }
    const counting: RequestStore = {
      ...store,
      read: (hash, seen) => store.read(hash, seen).catch((error) => count(hash, error)),
      apply: (hash, ...change) => store.apply(hash, ...change).catch((error) => count(hash, error)),
    }
    const workers = [1, 2].map(() =>
      createRequestWorker({
        queue: linkCheck.queue,
        queues,
        redis: client,
        store: counting,
        watcher,
        otpMailbox: createOtpMailbox({ redis: client, channels, store }),
        deadlineIndex: createDeadlineIndex({ redis: client }),
        subjectLimiter: createSubjectLimiter({
          redis: client,
          limits: { codesPerHour: 5, wrongCodesPerHour: 10 },
        }),
        bot: createBotClient(),
        bots: onlyBot(bot.url),
        secretBox: createSecretBox(TOKEN),
        runTimes: createRunTimes({ redis: client }),
        catalog: { find: () => ONCE },
        concurrency: 10,
        timeoutSeconds: 30,
        drainMs: 0,
        lockMs: LOCK_MS,
        log: quiet,
        now: Date.now,
      }),
    )
    stops.push(
      () => admin.disconnect(),
      () => connections.stop(),
      () => queues.stop(),
      () => channels.stop(),
      () => watcher.stop(),
    )
    for (const worker of workers) stops.push(() => worker.stop())
    submit = async (...replies) => {
      const hash = aHash()
      const now = Date.now()
      const record = createRecord({
        hash,
        service: ONCE,
        requestData: {},
        sessionId: null,
        now,
        ttlSeconds: TTL_SECONDS,
      })
      bot.replies(hash, ...replies)
      await store.create(record)
      await queues.add(record, ONCE)
      return hash
    }
  })
  afterAll(async () => {
    for (const stop of stops.reverse()) await stop()
  })

  const record = async (hash: string): Promise<RequestRecord | undefined> => (await store.read(hash))?.record
  const ended = (hash: string): Promise<RequestRecord> =>
    eventually(
      async () => {
        const found = await record(hash)
        if (!found || !isFinal(found.status)) throw new Error(`it is ${found?.status}`)
        return found
      },
      { withinMs: 15_000 },
    )
  const refused = (hash: string, atLeast: number) =>
    eventually(() => expect(refusals.get(hash) ?? 0).toBeGreaterThanOrEqual(atLeast), { withinMs: 15_000 })

  /** Makes Redis refuse writes, and returns how to make it accept them again. The connections handle READONLY themselves. */
  const REFUSALS: [string, () => Promise<() => Promise<unknown>>][] = [
    [
      'NOREPLICAS',
      async () => {
        await redis.run('CONFIG', 'SET', 'min-replicas-to-write', 1)
        return () => redis.run('CONFIG', 'SET', 'min-replicas-to-write', 0)
      },
    ],
    [
      'MISCONF',
      async () => {
        const [, dir] = (await redis.run('CONFIG', 'GET', 'dir')) as string[]
        rmSync(dir as string, { recursive: true })
        await redis.run('BGSAVE')
        await eventually(async () =>
          expect(String(await redis.run('INFO', 'persistence'))).toContain('rdb_last_bgsave_status:err'),
        )
        return () => redis.run('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')
      },
    ],
    [
      'BUSY',
      async () => {
        redis.run('EVAL', 'while true do end', 0).catch(() => {})
        await eventually(() => expect(admin.get('x')).rejects.toThrow('BUSY'))
        return () => admin.script('KILL')
      },
    ],
  ]

  test.each(REFUSALS)(
    'with %s, a result, a requested code and a failure are written once Redis accepts writes',
    async (_name, refuse) => {
      const [result, prompt, failed] = [later(), later(), later()]
      const hashes = [
        await submit(result.reply),
        await submit(prompt.reply, success('with the code')),
        await submit(failed.reply),
      ] as const
      for (const hash of hashes) await bot.call(hash)
      const accept = await refuse()
      onTestFinished(async () => void (await accept().catch(() => {})))
      result.answer(success({ score: 712 }))
      prompt.answer(smsSent({ length: 6 }))
      failed.answer(failure('portal_down', { retryable: true }))
      for (const hash of hashes) await refused(hash, 3)
      await accept()

      expect(await ended(hashes[0])).toMatchObject({
        status: 'completed',
        attempt: 1,
        result_data: { score: 712 },
      })
      await eventually(async () => expect((await record(hashes[1]))?.status).toBe('otp_required'))
      expect(await record(hashes[1])).toMatchObject({ attempt: 1 })
      expect(await ended(hashes[2])).toMatchObject({ attempt: 1, error_data: { code: 'portal_down' } })
      for (const hash of hashes) expect(bot.calls(hash)).toHaveLength(1)
      await store.apply(hashes[1], { type: 'cancel', by: 'user' })
    },
  )

  test('while writes are refused beyond the lock of the job, no other worker calls the bot', async () => {
    const open = later()
    const hash = await submit(open.reply)
    await bot.call(hash)
    await redis.run('CONFIG', 'SET', 'min-replicas-to-write', 1)
    open.answer(success('kept'))
    await eventually(async () => expect(await redis.run('EXISTS', `halfway:crawls:${hash}:lock`)).toBe(0))
    await refused(hash, 6)
    await redis.run('CONFIG', 'SET', 'min-replicas-to-write', 0)
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 1, result_data: 'kept' })
    await eventually(async () => expect(await redis.run('EXISTS', `halfway:crawls:${hash}`)).toBe(0), {
      withinMs: 15_000,
    })
    expect(bot.calls(hash)).toHaveLength(1)
  })

  test('an answer is written although Redis is out of memory, and the bot is called once', async () => {
    const open = later()
    const hash = await submit(open.reply)
    await bot.call(hash)
    await redis.run('CONFIG', 'SET', 'maxmemory', 1)
    open.answer(success('written'))
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 1, result_data: 'written' })
    await redis.run('CONFIG', 'SET', 'maxmemory', 0)
    expect(bot.calls(hash)).toHaveLength(1)
  })
})
