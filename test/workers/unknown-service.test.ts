/** A rolling deploy: some workers, or the bots they call, do not know a service. */
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { isFinal, type RequestRecord } from '../../core/domain/record.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { createSecretBox } from '../../core/runtime/secret-box.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import { createRunTimes } from '../../core/store/run-times.ts'
import { createSubjectLimiter } from '../../core/store/subject-limits.ts'
import { createBotClient } from '../../workers/bot-client.ts'
import { createRequestWorker, type RequestWorkerDeps } from '../../workers/request-worker.ts'
import { eventually } from '../helpers/eventually.ts'
import { aHash, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { catalog, linkCheck } from '../helpers/services.ts'
import { failure, json, success, useForeignBot } from './foreign-bot.ts'
import { onlyBot, TOKEN } from './one-bot.ts'

const BRAND_NEW: Service = {
  ...linkCheck,
  slug: 'brand-new',
  tries: 1,
  backoff: { type: 'fixed', seconds: 0.02, jitter: 0 },
}
/** The answer of a bot that does not know the service. */
const NOT_KNOWN = json({ status: 'error', code: 'unknown_service', message: 'No.', retryable: false }, 404)

const { client, store, watcher, otpMailbox } = await useRequests(await useRedis())
const queues = createQueues({ redis: client, log: quiet, queueList: () => queuesOf(catalog) })
const bot = await useForeignBot()
afterAll(() => queues.stop())

function startWorker({ knows, ...fields }: { knows: boolean } & Partial<RequestWorkerDeps>) {
  const refused: string[] = []
  const calls = createBotClient()
  const worker = createRequestWorker({
    queue: linkCheck.queue,
    queues,
    redis: client,
    store,
    watcher,
    otpMailbox,
    deadlineIndex: createDeadlineIndex({ redis: client }),
    subjectLimiter: createSubjectLimiter({
      redis: client,
      limits: { codesPerHour: 5, wrongCodesPerHour: 10 },
    }),
    bot: calls,
    bots: onlyBot(bot.url),
    secretBox: createSecretBox(TOKEN),
    runTimes: createRunTimes({ redis: client }),
    catalog: {
      find(slug) {
        if (knows) return BRAND_NEW
        refused.push(slug)
        return undefined
      },
    },
    concurrency: 10,
    timeoutSeconds: 30,
    drainMs: 0,
    unclaimedDelayMs: 100,
    log: quiet,
    now: Date.now,
    ...fields,
  })
  onTestFinished(async () => {
    await worker.stop()
    await calls.stop()
  })
  return { refused: () => refused.length }
}

async function submit(...replies: Parameters<typeof bot.replies>[1][]): Promise<string> {
  const now = Date.now()
  const hash = aHash(now)
  bot.replies(hash, ...replies)
  const fields = { hash, service: BRAND_NEW, requestData: {}, sessionId: null, now, ttlSeconds: TTL_SECONDS }
  const record = createRecord(fields)
  await store.create(record)
  await queues.add(record, BRAND_NEW)
  return hash
}
const read = async (hash: string): Promise<RequestRecord | undefined> => (await store.read(hash))?.record
const ended = (hash: string): Promise<RequestRecord> =>
  eventually(
    async () => {
      const record = await read(hash)
      if (!record || !isFinal(record.status)) throw new Error(`it is ${record?.status}`)
      return record
    },
    { withinMs: 30_000 },
  )
const jobs = (hash: string) => client.exists(`halfway:crawls:${hash}`)

describe('requests of a service that only one of two workers knows', { timeout: 60_000 }, () => {
  test('requests of a service that one of two workers knows all complete at their first attempt', async () => {
    const old = startWorker({ knows: false })
    const hashes = await Promise.all(Array.from({ length: 100 }, () => submit(success('done'))))
    await eventually(() => expect(old.refused()).toBeGreaterThan(20))
    startWorker({ knows: true })
    for (const hash of hashes)
      expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 1, max_attempts: 1 })
    expect(hashes.map((hash) => bot.calls(hash).length)).toEqual(hashes.map(() => 1))
  })
})

describe('a request of a service that no worker knows', () => {
  test('a request of a service that no worker knows fails as unknown_service after two minutes, without a call', async () => {
    let elapsedMs = 0
    const now = (): number => Date.now() + elapsedMs
    const old = [startWorker({ knows: false, now }), startWorker({ knows: false, now })]
    const hash = await submit()
    await eventually(() => expect(old.reduce((all, { refused }) => all + refused(), 0)).toBeGreaterThan(3))
    expect(await read(hash)).toMatchObject({ status: 'pending', attempt: 0 })
    expect(Object.keys(JSON.parse((await client.hget(`halfway:crawls:${hash}`, 'data')) ?? ''))).toEqual([
      'unknown_since',
    ])
    elapsedMs = 121_000
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 0,
      error_data: { code: 'unknown_service', retryable: false },
    })
    expect(bot.calls(hash)).toEqual([])
    await eventually(async () => expect(await jobs(hash)).toBe(0))
  })
})

describe('a request of a service that the bot does not know', () => {
  test('a request of a service that the bot does not know is retried until a bot knows it, without counting attempts', async () => {
    startWorker({ knows: true })
    const hash = await submit(NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, success('by the new bot'))
    const waiting = await eventually(async () => {
      const record = await read(hash)
      expect(record?.next_retry_at ?? record?.completed_at).not.toBeNull()
      return record
    })
    expect(waiting?.message_key).not.toBe('unknown_service')
    expect(await ended(hash)).toMatchObject({
      status: 'completed',
      attempt: 4,
      max_attempts: 4,
      result_data: 'by the new bot',
    })
  })

  test('a request of a service that no bot knows fails as unknown_service after two minutes', async () => {
    let elapsedMs = 0
    startWorker({ knows: true, now: () => Date.now() + elapsedMs })
    const hash = await submit(...Array.from({ length: 500 }, () => NOT_KNOWN))
    await bot.call(hash, 2)
    elapsedMs = 121_000
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      error_data: { code: 'unknown_service', retryable: false },
    })
  })

  test('an unknown_service error with status 200 counts as an attempt', async () => {
    startWorker({ knows: true })
    const hash = await submit(failure('unknown_service'))
    expect(await ended(hash)).toMatchObject({ attempt: 1, error_data: { code: 'unknown_service' } })
  })
})
