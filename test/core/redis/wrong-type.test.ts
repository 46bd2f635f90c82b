/** Another program has written values of another type, or invalid ones, to keys of Halfway: requests are served all the same. */
import { afterAll, describe, expect, it } from 'vitest'
import { createEnqueueRequest } from '../../../core/actions/enqueue-request.ts'
import { queuesOf } from '../../../core/catalog/catalog.ts'
import type { PublicView } from '../../../core/domain/record.ts'
import { createQueues } from '../../../core/queue/queues.ts'
import { createDeadlineIndex } from '../../../core/store/deadline-index.ts'
import { createFailedRequests } from '../../../core/store/failed-requests.ts'
import { createIdempotency } from '../../../core/store/idempotency-keys.ts'
import { createSessionRequests } from '../../../core/store/session-requests.ts'
import { createSubjectLimiter } from '../../../core/store/subject-limits.ts'
import { keys } from '../../helpers/keys.ts'
import { aHash, aRecord, REQUIRE_OTP, START } from '../../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'
import { catalog, linkCheck } from '../../helpers/services.ts'

const redis = await useRedis()
const { client, store, otpMailbox, given, applyCommand } = await useRequests(redis)
const queues = createQueues({ redis: client, log: quiet, queueList: () => queuesOf(catalog) })
afterAll(() => queues.stop())
const deadlineIndex = createDeadlineIndex({ redis: client })
const failures = createFailedRequests({ redis: client })
const idempotency = createIdempotency({ redis: client })
const subjectLimiter = createSubjectLimiter({
  redis: client,
  limits: { codesPerHour: 5, wrongCodesPerHour: 10 },
})
const enqueue = createEnqueueRequest({
  store,
  queues,
  sessionRequests: createSessionRequests({ redis: client }),
  subjectLimiter,
})

/** Writes a value of this type. */
const MAKE: Record<string, (key: string) => Promise<unknown>> = {
  string: (key) => client.set(key, 'x'),
  list: (key) => client.rpush(key, 'x'),
  hash: (key) => client.hset(key, 'x', 'y'),
  set: (key) => client.sadd(key, 'x'),
  zset: (key) => client.zadd(key, 1, 'x'),
  ...(onRealRedis && { stream: (key: string) => client.xadd(key, '*', 'x', 'y') }),
}
const otherThan = (...right: string[]): string[] => Object.keys(MAKE).filter((type) => !right.includes(type))
async function replace(key: string, type: string): Promise<void> {
  await client.del(key)
  await MAKE[type]?.(key)
}

describe('a submit', () => {
  it.each(otherThan('list'))(
    'a submit succeeds and is listed with a %s in place of the list of requests',
    async (type) => {
      await replace(keys.list, type)
      expect(await store.listRecent(10)).toEqual([])
      await replace(keys.list, type)
      const record = aRecord()
      await enqueue(record, linkCheck)
      expect(await store.listRecent(10)).toEqual([record.hash])
    },
  )

  it.each(otherThan('zset'))(
    'a submit succeeds and is scheduled with a %s in place of the reminders',
    async (type) => {
      await replace(keys.deadlines, type)
      expect(await deadlineIndex.take(Date.now(), 10, Date.now() + 1e6)).toEqual([])
      await replace(keys.deadlines, type)
      const record = aRecord()
      await enqueue(record, linkCheck)
      expect(await deadlineIndex.list(0, 9)).toEqual([record.hash])
    },
  )

  it.each(otherThan('zset'))(
    'a submit succeeds with a %s in place of the fair-share rounds',
    async (type) => {
      for (let level = 1; level <= 10; level++) await replace(`halfway:crawls:turns:${level}`, type)
      const record = aRecord()
      await enqueue(record, linkCheck)
      expect(await queues.has(record.hash, linkCheck.queue)).toBe(true)
    },
  )
})

describe('an invalid hash', () => {
  it('an entry that is not a hash is neither listed nor due, and is removed from the reminders', async () => {
    const [hash, bytes] = [aHash(), Buffer.from([0x72, 0x65, 0x71, 0x5f, 0xe3])]
    await client.zadd(keys.deadlines, 1, hash, 1, bytes, 1, '', 1, 'x y')
    await client.lpush(keys.list, bytes, '', hash)
    expect(await deadlineIndex.take(Date.now(), 10, 2)).toEqual([hash])
    expect(await client.zrange(keys.deadlines, 0, '2', 'BYSCORE')).toEqual([hash])
    expect((await store.listRecent(3))[0]).toBe(hash)
    expect(await store.listRecent(3)).toHaveLength(1)
  })
})

describe('a code', () => {
  it.each(otherThan('string'))('a code is handed over with a %s in place of its mailbox', async (type) => {
    const { hash } = (await given(START, REQUIRE_OTP)).record
    await replace(keys.otp(hash), type)
    expect(await otpMailbox.take(hash)).toBeNull()
    await replace(keys.otp(hash), type)
    await applyCommand(hash, { type: 'submit_otp', otp: '483920' })
    expect(await otpMailbox.take(hash)).toBe('483920')
  })
})

describe('a write with a backup', () => {
  it.each(otherThan('string'))('a write succeeds with a %s in place of its backup', async (type) => {
    const { hash } = (await given(START)).record
    await replace(keys.backup(hash), type)
    const foreign = JSON.stringify({
      ...JSON.parse((await client.get(keys.record(hash))) as string),
      progress: 20,
    })
    await client.setex(keys.record(hash), 60, foreign)
    expect((await store.read(hash))?.record.progress).toBe(20)
    expect(await client.get(keys.backup(hash))).toBe(await client.get(keys.record(hash)))
  })
})

describe('the list of failed requests', () => {
  const FAIL = { type: 'fail', error: { code: 'x', message: 'X', retryable: false } } as const

  it.each([
    ...otherThan('zset').map((type) => [type, keys.failed]),
    ...otherThan('hash').map((type) => [type, keys.failedEntries]),
  ] as [string, string][])(
    'a failed request is stored and listed with a %s in place of %s',
    async (type, key) => {
      await replace(key, type)
      expect(await failures.list()).toEqual([])
      await replace(key, type)
      const { hash } = (await given(START)).record
      await applyCommand(hash, FAIL)
      expect(await failures.find(hash)).toMatchObject({ code: 'x' })
      await replace(key, type)
      expect(await failures.claimRetry(hash, 'another')).toBe('another')
    },
  )

  it.each(['', 'no JSON', 'null', '[]', '{"code":1}'])(
    'failed requests are listed without an entry that is %j',
    async (invalid) => {
      const [broken, whole] = [(await given(START)).record.hash, (await given(START)).record.hash]
      for (const hash of [broken, whole]) await applyCommand(hash, FAIL)
      await client.hset(keys.failedEntries, broken, invalid)
      const listed = (await failures.list()).map(({ hash }) => hash)
      expect(listed).toContain(whole)
      expect(listed).not.toContain(broken)
    },
  )
})

describe('an idempotency key', () => {
  const claim = () => ({ fingerprint: 'f', hash: aHash(), createdAt: Date.now(), keptSeconds: 60, seed: 's' })
  const invalid: [string, (key: string) => Promise<unknown>][] = [
    ...otherThan('string').map((type): [string, (key: string) => Promise<unknown>] => [
      `a ${type}`,
      (key) => replace(key, type),
    ]),
    ...['', 'no JSON', 'null', '[]', '{}', '{"hash":"../x"}'].map(
      (text): [string, (key: string) => Promise<unknown>] => [
        JSON.stringify(text),
        (key) => client.set(key, text),
      ],
    ),
  ]

  it.each(invalid)(
    'an Idempotency-Key is claimed and answered where another program has left %s',
    async (_name, leave) => {
      const key = aHash()
      await leave(keys.idempotency('caller', key))
      expect(await idempotency.find('caller', key)).toBeNull()
      await leave(keys.idempotency('caller', key))
      const mine = claim()
      expect(await idempotency.claim('caller', key, mine)).toEqual(mine)
      expect(await idempotency.claim('caller', key, claim())).toEqual(mine)
      await leave(keys.idempotencyAnswer('caller', key))
      expect(await idempotency.getResponse('caller', key)).toBeNull()
      const view = { hash: mine.hash } as PublicView
      expect(await idempotency.saveResponse('caller', key, view, 60)).toEqual(view)
    },
  )
})

describe('a queue', () => {
  it.each(otherThan('string'))('a queue is held with a %s in place of its counter', async (type) => {
    await replace('halfway:crawls:limiter', type)
    await queues.hold(linkCheck.queue, 60_000)
    expect(await client.pttl('halfway:crawls:limiter')).toBeGreaterThan(50_000)
  })
})
