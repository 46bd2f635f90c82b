import { describe, expect, it } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import type { AppError } from '../../../core/domain/errors.ts'
import type { PublicView, RequestRecord } from '../../../core/domain/record.ts'
import type { RedisClient } from '../../../core/redis/connect.ts'
import { type ApplyResult, createRequestStore, MAX_RESULT_BYTES } from '../../../core/store/request-store.ts'
import { eventually } from '../../helpers/eventually.ts'
import { keys } from '../../helpers/keys.ts'
import {
  aHash,
  aRecord,
  progressTo,
  REQUIRE_OTP,
  START,
  TOO_LONG,
  TTL_SECONDS,
} from '../../helpers/record.ts'
import { onRealRedis, useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'

const redis = await useRedis()
const { client, store, given, applyCommand, foreignWrite } = await useRequests(redis)

/** Expiry of the key in Redis, and the expires_at of the record. */
async function expectLifeAsPromised(hash: string): Promise<void> {
  const [expiry, raw] = await Promise.all([
    client.call('PEXPIRETIME', keys.record(hash)),
    client.get(keys.record(hash)),
  ])
  expect(expiry).toBe(Date.parse((JSON.parse(raw as string) as RequestRecord).expires_at))
}

/** Everything published about a request from now on. */
async function listen(hash: string): Promise<PublicView[]> {
  const subscriber = await redis.connections.connect('subscriber')
  const received: PublicView[] = []
  subscriber.on('message', (_channel, json) => received.push(JSON.parse(json) as PublicView))
  await subscriber.subscribe(keys.channel(hash))
  return received
}

/** The store of another process, with an empty cache. */
const another = (redis = client) => createRequestStore({ redis, ttlSeconds: TTL_SECONDS })

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: AppError) => error.code,
  )
const refusalOf = (outcome: ApplyResult) => (outcome.ok ? null : outcome.rejection)

describe('a request in Redis', () => {
  it('a request is read as it was created, and cannot be created twice', async () => {
    const record = aRecord()
    expect(await store.create(record)).toBe(true)
    expect((await store.read(record.hash))?.record).toEqual(record)
    expect(await store.create({ ...record, current_message: 'Another' })).toBe(false)
    expect((await store.read(record.hash))?.record.current_message).toBe('We have your request.')
    expect((await store.listRecent(1))[0]).toBe(record.hash)
  })

  it('a missing request reads as null and rejects commands', async () => {
    const hash = aHash()
    expect(await store.read(hash)).toBeNull()
    expect(await store.apply(hash, START)).toEqual({
      ok: false,
      rejection: 'request_not_found',
      stored: null,
    })
  })

  it('every change is published, without private fields', async () => {
    const { record } = await given()
    const received = await listen(record.hash)
    await applyCommand(record.hash, START)
    await applyCommand(record.hash, progressTo(30, 'Halfway there'))
    await eventually(() => expect(received.map(({ version }) => version)).toEqual([2, 3]))
    expect(received[1]).toMatchObject({
      status: 'processing',
      progress: 30,
      current_message: 'Halfway there',
    })
    expect(JSON.stringify(received)).not.toContain('private-')
  })

  it('a final request rejects late commands and returns its record', async () => {
    const { record } = await given(START, { type: 'cancel', by: 'user' })
    const late = await store.apply(record.hash, progressTo(80))
    expect(late).toMatchObject({
      ok: false,
      rejection: 'already_final',
      stored: { record: { status: 'cancelled', version: 3 } },
    })
  })

  it('the key of a request expires exactly at expires_at, after every write', async () => {
    const { record } = await given()
    const { hash } = record
    await expectLifeAsPromised(hash)
    for (const command of [START, progressTo(10), REQUIRE_OTP]) {
      expect((await applyCommand(hash, command)).record.expires_at).toBe(record.expires_at)
      await expectLifeAsPromised(hash)
    }
    const { record: done } = await applyCommand(hash, { type: 'complete', attempt: 1, result: 1 })
    expect(Date.parse(done.expires_at)).toBe(Date.parse(done.completed_at as string) + TTL_SECONDS * 1000)
    await expectLifeAsPromised(hash)
  })

  it('a result of 256 kB is stored, and a larger one is refused before the write', async () => {
    const { record } = await given(START)
    const tooLarge = store.apply(record.hash, {
      type: 'complete',
      attempt: 1,
      result: 'x'.repeat(MAX_RESULT_BYTES - 1),
    })
    expect(await codeOf(tooLarge)).toBe('result_too_large')
    expect((await store.read(record.hash))?.record.version).toBe(2)
    await applyCommand(record.hash, {
      type: 'complete',
      attempt: 1,
      result: 'x'.repeat(MAX_RESULT_BYTES - 2),
    })
  })

  it('the size of a result is measured in bytes, not in characters', async () => {
    const { record } = await given(START)
    const persian = { type: 'complete', attempt: 1, result: 'س'.repeat(MAX_RESULT_BYTES / 2) } as const
    expect(await codeOf(store.apply(record.hash, persian))).toBe('result_too_large')
  })

  it.each([201, 100_000])('a result nested %i levels deep is refused', async (depth) => {
    const { record } = await given(START)
    const result: unknown = JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`)
    const tooDeep = store.apply(record.hash, { type: 'complete', attempt: 1, result })
    expect(await codeOf(tooDeep)).toBe('result_too_large')
    expect((await store.read(record.hash))?.record.status).toBe('processing')
  })

  it.each([1n, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60])(
    'a result with %s is refused with its path',
    async (n) => {
      const { record } = await given(START)
      await expect(
        store.apply(record.hash, { type: 'complete', attempt: 1, result: { lines: [{ n }] } }),
      ).rejects.toMatchObject({ code: 'bot_bad_answer', detail: expect.stringContaining('at lines[0].n') })
      expect((await store.read(record.hash))?.record.status).toBe('processing')
    },
  )
})

describe('many writers', () => {
  it('50 concurrent writers of one request lose no update', async () => {
    const { record } = await given(START)
    const received = await listen(record.hash)
    const names = Array.from({ length: 50 }, (_, i) => `writer ${i}`)
    // Half of them use a cached record, half are other processes that read first.
    const written = await Promise.all(
      names.map((name, i) => (i % 2 ? store : another()).apply(record.hash, progressTo(i, name))),
    )
    expect(
      written
        .map((outcome) => outcome.ok && outcome.stored.record.version)
        .sort((a, b) => Number(a) - Number(b)),
    ).toEqual(names.map((_, i) => i + 3))
    const end = await store.read(record.hash)
    expect(end?.record).toMatchObject({ version: 52, progress: 49 })
    await eventually(() => expect(received).toHaveLength(50))
    expect(received.map(({ current_message }) => current_message).sort()).toEqual([...names].sort())
    expect(received.map(({ version }) => version)).toEqual(names.map((_, i) => i + 3))
  })

  it('of several concurrent final commands exactly one is applied', async () => {
    const { record } = await given(START)
    const ends: Command[] = [
      { type: 'complete', attempt: 1, result: 1 },
      { type: 'fail', attempt: 1, error: { code: 'x', message: 'X', retryable: false } },
      { type: 'cancel', by: 'user' },
      { type: 'cancel', by: 'user' },
    ]
    const outcomes = await Promise.all(ends.map((command) => store.apply(record.hash, command)))
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
    expect(outcomes.filter((outcome) => refusalOf(outcome) === 'already_final')).toHaveLength(3)
  })

  it('of identical commands in the same millisecond exactly one is applied', async () => {
    const { record } = await given(START)
    const stopped = createRequestStore({
      redis: client,
      ttlSeconds: TTL_SECONDS,
      now: () => Date.parse(record.updated_at),
    })
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => stopped.apply(record.hash, { type: 'start', attempt: 2 })),
    )
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
  })

  it('a write that ioredis sends twice after a broken connection counts once', async () => {
    const { record } = await given(START)
    const twice = Object.create(client) as RedisClient
    twice.runCommitRequest = async (...args) => {
      await client.runCommitRequest(...args)
      return client.runCommitRequest(...args)
    }
    const repeating = createRequestStore({ redis: twice, ttlSeconds: TTL_SECONDS })
    expect((await repeating.apply(record.hash, { type: 'start', attempt: 2 })).ok).toBe(true)
    expect((await store.read(record.hash))?.record).toMatchObject({ attempt: 2, version: 3 })
  })

  it('a write based on a cached record takes one round trip, and one more only after a conflict', async () => {
    const { hash } = (await given(START)).record
    const trips: string[] = []
    const counting = new Proxy(client, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          trips.push(String(name))
          return Reflect.apply(value, target, args)
        }
      },
    }) as RedisClient
    const counted = another(counting)
    await counted.read(hash)
    for (const progress of [10, 20, 30]) await counted.apply(hash, progressTo(progress))
    expect(trips).toEqual(['get', 'runCommitRequest', 'runCommitRequest', 'runCommitRequest'])
    await applyCommand(hash, progressTo(40))
    expect((await counted.apply(hash, progressTo(50))).ok).toBe(true)
    expect(trips).toHaveLength(6)
  })

  it.runIf(onRealRedis)(
    'a write based on a cached record sends one script call and nothing else',
    async () => {
      const { hash } = (await given(START)).record
      await client.config('RESETSTAT')
      for (let progress = 2; progress < 12; progress++) await applyCommand(hash, progressTo(progress))
      const calls = [
        ...(await client.info('commandstats')).matchAll(/cmdstat_(evalsha|eval|get):calls=(\d+)/g),
      ]
      // The one GET per call is the script's own.
      expect(calls.map(([, name, count]) => `${name} ${count}`).sort()).toEqual(['evalsha 10', 'get 10'])
    },
  )

  it('a write based on an outdated cached record is rejected only by the stored one', async () => {
    const { hash } = (await given(START)).record
    const [behind, alsoBehind] = [another(), another()]
    for (const process of [behind, alsoBehind]) await process.read(hash)
    await applyCommand(hash, { type: 'start', attempt: 2 })
    expect(refusalOf(await behind.apply(hash, progressTo(50)))).toBe('stale_attempt')
    expect((await alsoBehind.apply(hash, { ...progressTo(50), attempt: 2 } as Command)).ok).toBe(true)
  })
})

describe('a foreign write', () => {
  it('a foreign write is shown as a new version and keeps its expires_at', async () => {
    const { record } = await given(START, progressTo(20))
    const received = await listen(record.hash)
    await foreignWrite(record.hash, { progress: 60, current_message: 'From elsewhere' })
    expect((await store.read(record.hash))?.record).toMatchObject({
      progress: 60,
      version: 4,
      expires_at: record.expires_at,
    })
    await expectLifeAsPromised(record.hash)
    // What the other program published itself, then the own update.
    await eventually(() => expect(received.map(({ version }) => version)).toEqual([3, 4]))
    expect(received[1]).toMatchObject({ progress: 60, current_message: 'From elsewhere' })
    expect(JSON.stringify(received[1])).not.toContain('private-')
  })

  it('a foreign write between an own read and an own write is not lost', async () => {
    const { hash } = (await given(START, progressTo(20))).record
    await foreignWrite(hash, { progress: 60, current_message: 'From elsewhere' })
    const { record } = await applyCommand(hash, { ...progressTo(30), step: 'second' } as Command)
    expect(record).toMatchObject({
      progress: 60,
      current_message: 'From elsewhere',
      step: 'second',
      version: 5,
    })
    await expectLifeAsPromised(hash)
  })

  it('a foreign write read concurrently is committed once', async () => {
    const { record } = await given(START)
    await foreignWrite(record.hash, { progress: 60 })
    const read = await Promise.all(Array.from({ length: 20 }, () => store.read(record.hash)))
    expect(new Set(read.map((stored) => stored?.record.version))).toEqual(new Set([3]))
  })

  it.each([
    ['no JSON', 'progress: 50'],
    ['no JSON under our mark', 'progress: 50\t'],
    ['null under our mark', 'null\t'],
    ['no object', '[1,2,3]'],
    ['no request', '{"progress":50}'],
    ['too many characters', JSON.stringify({ status: 'processing', hash: 'x', result_data: TOO_LONG })],
  ])('a foreign value of %s is unreadable and stays unchanged', async (_what, invalid) => {
    const hash = aHash()
    await client.setex(keys.record(hash), 60, invalid)
    expect(await codeOf(store.read(hash))).toBe('unreadable_record')
    expect(await codeOf(store.apply(hash, START))).toBe('unreadable_record')
    expect(await client.get(keys.record(hash))).toBe(invalid)
  })

  it('a foreign record under a hash that Halfway did not create is shown', async () => {
    const hash = 'req_made-elsewhere'
    await client.setex(keys.record(hash), 60, JSON.stringify({ status: 'processing', progress: 900 }))
    expect((await store.read(hash))?.record).toMatchObject({ hash, progress: 99, version: 1 })
  })
})

describe('the one-time code', () => {
  const CODE = '483920'

  it('a code is stored in the mailbox with its submit_otp, and nowhere else', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    const received = await listen(record.hash)
    const { record: handed } = await applyCommand(record.hash, { type: 'submit_otp', otp: CODE })
    expect(await client.get(keys.otp(record.hash))).toBe(CODE)
    expect(await client.call('PEXPIRETIME', keys.otp(record.hash))).toBe(
      Date.parse(handed.otp_data?.expires_at as string),
    )
    await eventually(() => expect(received).toHaveLength(1))
    expect(JSON.stringify([handed, received, await client.get(keys.record(record.hash))])).not.toContain(CODE)
  })

  it('of two concurrently submitted codes only the accepted one is in the mailbox', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    const codes = ['111111', '222222']
    const outcomes = await Promise.all(
      codes.map((otp) => store.apply(record.hash, { type: 'submit_otp', otp })),
    )
    expect(new Set(outcomes.map(refusalOf))).toEqual(new Set([null, 'otp_not_expected']))
    expect(await client.get(keys.otp(record.hash))).toBe(codes[outcomes.findIndex(({ ok }) => ok)])
  })

  it.each<[string, Command]>([
    ['a new question', REQUIRE_OTP],
    ['the end', { type: 'cancel', by: 'user' }],
  ])('a code does not outlive %s', async (_what, command) => {
    const { record } = await given(START, REQUIRE_OTP)
    await applyCommand(record.hash, { type: 'submit_otp', otp: CODE })
    await applyCommand(record.hash, command)
    expect(await client.exists(keys.otp(record.hash))).toBe(0)
  })
})

describe.runIf(onRealRedis)('when Redis goes away', () => {
  it('a fail-fast store rejects while Redis is away, and works when it is back', async () => {
    const fast = createRequestStore({
      redis: await redis.connections.connect('fail-fast'),
      ttlSeconds: TTL_SECONDS,
    })
    const record = aRecord()
    await fast.create(record)
    await redis.stop()
    const answers = await Promise.all(
      [fast.read(record.hash), fast.create(aRecord()), fast.apply(record.hash, START)].map(codeOf),
    )
    expect(answers).toEqual(['storage_unavailable', 'storage_unavailable', 'storage_unavailable'])
    await redis.restart()
    await eventually(async () => expect(await fast.create(record)).toBe(true))
    // The new server does not know the script: ioredis sends it again.
    expect((await fast.apply(record.hash, START)).ok).toBe(true)
  })

  it('a fail-fast store does not wait for a Redis that hangs', async () => {
    const connection = await redis.connections.connect('fail-fast')
    const fast = createRequestStore({ redis: connection, ttlSeconds: TTL_SECONDS })
    const pid = Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1])
    process.kill(pid, 'SIGSTOP')
    try {
      expect(await codeOf(fast.read(aHash()))).toBe('storage_unavailable')
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await eventually(async () => expect(await fast.read(aHash())).toBeNull())
  })
})
