import { describe, expect, it, vi } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import type { AppError } from '../../../core/domain/errors.ts'
import { type PublicView, type RequestRecord, toPublicView } from '../../../core/domain/record.ts'
import { shortReference } from '../../../core/domain/short-reference.ts'
import { encodeRecord } from '../../../core/records/codec.ts'
import type { RedisClient } from '../../../core/redis/connect.ts'
import type { Log } from '../../../core/runtime/log.ts'
import type { Value } from '../../../core/store/batched-get.ts'
import { createRecordCache } from '../../../core/store/record-cache.ts'
import { createRequestStore, type RequestStore } from '../../../core/store/request-store.ts'
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
import { collectLog } from '../../helpers/server.ts'

const redis = await useRedis()
const { client, store, given, applyCommand, foreignWrite } = await useRequests(redis)

/** The store of another process, with an empty cache. */
const another = (log?: Log): RequestStore =>
  createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS, log })

/** Another program reads now, and writes its change when the returned function is called. */
async function foreignReader(hash: string): Promise<(change: Record<string, unknown>) => Promise<unknown>> {
  const record = JSON.parse((await client.get(keys.record(hash))) as string) as RequestRecord
  return (change) => client.setex(keys.record(hash), 9999, JSON.stringify({ ...record, ...change }))
}

const recordOf = async (from: RequestStore, hash: string): Promise<RequestRecord> => {
  const stored = await from.read(hash)
  if (!stored) throw new Error('there is no such request')
  return stored.record
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: AppError) => error.code,
  )

const COMPLETE: Command = { type: 'complete', attempt: 1, result: { score: 712 } }
const CANCEL: Command = { type: 'cancel', by: 'user' }
const FAIL: Command = { type: 'fail', error: { code: 'x', message: 'X', retryable: false } }

describe('an own write that another program overwrites', () => {
  it.each([
    ['the end', COMPLETE],
    ['the cancel', CANCEL],
    ['the failure', FAIL],
  ])('%s is restored by the next read after a foreign overwrite', async (_what, change) => {
    const { hash } = (await given(START, progressTo(30))).record
    const write = await foreignReader(hash)
    const { record: end } = await applyCommand(hash, change)
    await write({ progress: 80, current_message: 'Theirs' })
    const found = await recordOf(another(), hash)
    expect(toPublicView(found, Date.now())).toEqual({
      ...toPublicView(end, Date.now()),
      version: end.version + 1,
      updated_at: found.updated_at,
    })
    expect(await client.call('PEXPIRETIME', keys.record(hash))).toBe(Date.parse(end.expires_at))
  })

  it('an overwritten state is merged with the foreign report once foreign writes are known', async () => {
    const { hash } = (await given(START)).record
    await foreignWrite(hash, { progress: 20 })
    await applyCommand(hash, progressTo(30, 'Ours'))
    const write = await foreignReader(hash)
    await applyCommand(hash, { ...progressTo(60, 'Ours, later'), step: 'second' } as Command)
    await write({ progress: 40, current_message: 'Theirs' })
    expect(await recordOf(another(), hash)).toMatchObject({
      progress: 60,
      step: 'second',
      current_message: 'Ours, later',
    })
    await write({ progress: 70, current_message: 'Theirs, later' })
    expect(await recordOf(another(), hash)).toMatchObject({
      progress: 70,
      step: 'second',
      current_message: 'Theirs, later',
    })
  })

  it('a foreign overwrite after a submitted code neither reopens the prompt nor deletes the code', async () => {
    const { hash } = (await given(START, REQUIRE_OTP)).record
    const write = await foreignReader(hash)
    await applyCommand(hash, { type: 'submit_otp', otp: '483920' })
    await write({ progress: 50 })
    expect(await recordOf(another(), hash)).toMatchObject({ status: 'processing', progress: 50 })
    expect(await client.get(keys.otp(hash))).toBe('483920')
  })

  it('a deleted record is missing', async () => {
    const { hash } = (await given(START, COMPLETE)).record
    await client.del(keys.record(hash))
    expect(await store.read(hash)).toBeNull()
    await client.setex(keys.record(hash), 60, 'nonsense')
    await client.del(keys.backup(hash))
    expect(await codeOf(store.read(hash))).toBe('unreadable_record')
  })
})

describe('six processes that read a foreign write at the same time', () => {
  it('six processes that read a foreign write run fewer than six commit scripts', async () => {
    let commits = 0
    const counting: RedisClient = Object.create(client)
    counting.runCommitRequest = (...args) => {
      commits++
      return client.runCommitRequest(...args)
    }
    const rounds = 20
    for (let round = 0; round < rounds; round++) {
      const { hash } = (await given(START)).record
      await foreignWrite(hash, { progress: 30 })
      const readers = Array.from({ length: 6 }, () =>
        createRequestStore({ redis: counting, ttlSeconds: TTL_SECONDS }),
      )
      const read = await Promise.all(readers.map((reader) => recordOf(reader, hash)))
      for (const record of read) expect(record).toEqual(read[0])
    }
    expect(commits / rounds).toBeLessThan(4)
  })
})

describe('the backup of a record', () => {
  it('the backup is the last own write, for 60 seconds', async () => {
    const { hash } = (await given(START, progressTo(10))).record
    expect(await client.get(keys.backup(hash))).toBe(await client.get(keys.record(hash)))
    const lifeMs = await client.pttl(keys.backup(hash))
    expect(lifeMs).toBeGreaterThan(50_000)
    expect(lifeMs).toBeLessThanOrEqual(60_000)
  })

  it('the backup keeps a progress report that another program overwrites with an older record', async () => {
    const { hash } = (await given(START, progressTo(20, 'Before'))).record
    const stale = JSON.parse((await client.get(keys.record(hash))) ?? '')
    await applyCommand(hash, progressTo(50, 'Own'))
    await client.setex(
      keys.record(hash),
      60,
      JSON.stringify({ ...stale, progress: 25, current_message: 'Foreign' }),
    )
    // This process has neither a cached record nor a position that was shown.
    expect(await recordOf(another(), hash)).toMatchObject({
      progress: 50,
      current_message: 'Own',
      version: 5,
    })
  })

  it('the backup does not outlive the record', async () => {
    const record = aRecord({ ttlSeconds: 30 })
    await store.create(record)
    await applyCommand(record.hash, ASK_BEFORE_START)
    expect(await client.call('PEXPIRETIME', keys.backup(record.hash))).toBe(Date.parse(record.expires_at))
  })

  const ASK_BEFORE_START = { ...REQUIRE_OTP, attempt: 0 } as Command
})

describe('a version that goes back', () => {
  /** Restores an earlier value, as a fail-over that has lost the last writes. */
  const failOver = (hash: string, raw: Value, { expires_at }: RequestRecord) =>
    client.set(keys.record(hash), raw, 'PXAT', Date.parse(expires_at))

  it('a regressed version continues from the position that a client was shown', async () => {
    const early = await given(START, progressTo(20, 'Early'))
    const { hash } = early.record
    const late = await applyCommand(hash, progressTo(60, 'Late'))
    await failOver(hash, early.raw, early.record)
    const other = another()
    expect(await recordOf(other, hash)).toMatchObject({ version: 3 })
    const stored = await other.read(hash, toPublicView(late.record, Date.now()))
    expect(stored?.record).toMatchObject({ version: 5, progress: 60, current_message: 'Early' })
    expect(await client.get(keys.record(hash))).toBe(stored?.raw)
  })

  it('a record older than a final state that was shown is not rewritten by reads', async () => {
    const early = await given(START, progressTo(20))
    const { hash } = early.record
    const shown = toPublicView((await applyCommand(hash, COMPLETE)).record, Date.now())
    await failOver(hash, early.raw, early.record)
    for (let n = 0; n < 3; n++)
      expect((await another().read(hash, shown))?.record).toMatchObject({ status: 'processing', version: 3 })
  })

  it('a regressed record is repaired by the writer that cached a newer one', async () => {
    const early = await given(START, progressTo(20))
    const { hash } = early.record
    const own = another()
    await own.apply(hash, progressTo(60, 'Late'))
    await failOver(hash, early.raw, early.record)
    const outcome = await own.apply(hash, progressTo(70))
    expect(outcome).toMatchObject({ ok: true, stored: { record: { version: 6, progress: 70 } } })
  })

  it('a regressed record is repaired by a process that has read a newer one', async () => {
    const early = await given(START, progressTo(20))
    const { hash } = early.record
    const polled = another()
    const late = await applyCommand(hash, progressTo(60, 'Late'))
    expect(await polled.read(hash)).toEqual(late)
    await failOver(hash, early.raw, early.record)
    expect(await recordOf(polled, hash)).toMatchObject({ version: 5, progress: 60, current_message: 'Late' })
  })

  it('a cached record does not return when its request was deleted and created again', async () => {
    const { record } = await given(START, progressTo(20))
    await client.del(keys.record(record.hash))
    await store.create({ ...record, version: 1, progress: 0 })
    expect(await recordOf(store, record.hash)).toMatchObject({ version: 1, progress: 0 })
  })

  it('versions never decrease for one process, whatever another program writes', async () => {
    const { hash } = (await given(START, progressTo(20))).record
    let last: PublicView | null = null
    for (const version of [0, undefined, -5, 'x', 2, 1e12, null]) {
      await foreignWrite(hash, { version, current_message: `With ${version}` })
      const view = toPublicView(await recordOf(store, hash), Date.now())
      expect(view.version).toBeGreaterThan(last?.version ?? 3)
      expect(view.current_message).toBe(`With ${version}`)
      last = view
    }
  })

  it('a late response with an older version changes nothing', async () => {
    const early = await given(START, progressTo(20))
    const { hash } = early.record
    const late = await applyCommand(hash, progressTo(60))
    const slow = Object.create(client) as RedisClient
    slow.get = (async () => early.raw) as unknown as RedisClient['get']
    const reader = createRequestStore({ redis: slow, ttlSeconds: TTL_SECONDS })
    expect(await reader.read(hash, toPublicView(late.record, Date.now()))).toEqual(late)
    expect(await client.get(keys.record(hash))).toBe(late.raw)
  })
})

describe('an invalid value in place of a record', () => {
  const put = (value: string) => (hash: string) => client.set(keys.record(hash), value)
  const kinds: [string, (hash: string) => Promise<unknown>][] = [
    ['no JSON', put('progress: 50')],
    ['no JSON', put('null and void\t')],
    ['a list', put('[1,2,3]')],
    ['no object', put('17')],
    ['wrong fields', put('{"progress":50}')],
    ['wrong fields', put('{"__proto__":{"status":"pending"},"status":{"x":1}}')],
    ['far too long', put(JSON.stringify({ status: 'processing', result_data: TOO_LONG }))],
    [
      'no string',
      async (hash) => {
        await client.del(keys.record(hash))
        await client.lpush(keys.record(hash), 'x')
      },
    ],
  ]

  it.each(kinds)(
    'an invalid value (%s) is shown as the last valid state, logged once, and repaired by the next write',
    async (kind, leave) => {
      const { log, lines } = collectLog()
      const own = another(log)
      const { hash } = (await given(START, progressTo(20, 'Good'))).record
      const known = await own.read(hash)
      await leave(hash)
      for (let n = 0; n < 3; n++) expect(await own.read(hash)).toMatchObject({ record: known?.record })
      expect(lines.map((line) => JSON.parse(line))).toMatchObject([
        { level: 40, request: shortReference(hash), kind },
      ])
      expect(await own.apply(hash, progressTo(30))).toMatchObject({
        ok: true,
        stored: { record: { version: 4, progress: 30, current_message: 'Good' } },
      })
      expect(await recordOf(another(), hash)).toMatchObject({ version: 4, progress: 30 })
      expect(await client.call('PEXPIRETIME', keys.record(hash))).toBe(
        Date.parse(known?.record.expires_at as string),
      )
      expect(lines).toHaveLength(1)
      expect(({} as { status?: unknown }).status).toBeUndefined()
    },
  )

  it.each(kinds)(
    'an invalid value (%s) is repaired from the backup, and without one by a process that has cached the record',
    async (_kind, leave) => {
      const { hash } = (await given(START, progressTo(20, 'Good'))).record
      const own = another()
      await own.read(hash)
      await leave(hash)
      expect(await recordOf(another(), hash)).toMatchObject({ progress: 20, current_message: 'Good' })
      await client.del(keys.backup(hash))
      expect(await codeOf(another().read(hash))).toBe('unreadable_record')
      expect(await codeOf(another().apply(hash, progressTo(30)))).toBe('unreadable_record')
      expect((await own.apply(hash, CANCEL)).ok).toBe(true)
      expect(await recordOf(another(), hash)).toMatchObject({ status: 'cancelled', version: 4 })
    },
  )

  it('an invalid value hides no final state of the last minute', async () => {
    const { hash } = (await given(START, COMPLETE)).record
    await client.set(keys.record(hash), 'nonsense')
    expect(await recordOf(another(), hash)).toMatchObject({
      status: 'completed',
      result_data: { score: 712 },
    })
    expect(await another().apply(hash, CANCEL)).toMatchObject({ ok: false, rejection: 'already_final' })
  })

  it('an invalid value does not extend the lifetime of a request', async () => {
    const record = aRecord({ ttlSeconds: 1 })
    await store.create(record)
    await client.set(keys.record(record.hash), 'nonsense')
    expect((await store.read(record.hash))?.record).toEqual(record)
    await eventually(async () => expect(await store.read(record.hash)).toBeNull())
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(record.expires_at))
  })
})

describe('the record cache', () => {
  const sized = (record: RequestRecord, size: number) => ({
    record,
    raw: encodeRecord(record).replace('\t', `${' '.repeat(size - encodeRecord(record).length)}\t`),
  })

  it('the record cache is bounded and evicts the oldest record', () => {
    const memory = createRecordCache({ now: Date.now, maxCharacters: 10_000 })
    const records = Array.from({ length: 5 }, () => aRecord())
    for (const record of records) memory.set(sized(record, 4000))
    expect(records.map(({ hash }) => memory.get(hash) !== null)).toEqual([false, false, false, true, true])
    memory.set(sized(records[4] as RequestRecord, 10_001))
    expect(records.map(({ hash }) => memory.get(hash) !== null)).toEqual([false, false, false, true, false])
  })

  it('a cached record is evicted soon after it expires', () => {
    vi.useFakeTimers()
    try {
      const memory = createRecordCache({ now: Date.now })
      const [short, long] = [aRecord({ ttlSeconds: 90 }), aRecord({ ttlSeconds: 900 })]
      for (const record of [short, long]) memory.set({ record, raw: encodeRecord(record) })
      vi.advanceTimersByTime(150_000)
      expect([short, long].map(({ hash }) => memory.get(hash) !== null)).toEqual([false, true])
    } finally {
      vi.useRealTimers()
    }
  })
})

describe.runIf(onRealRedis)('when Redis is full', () => {
  it('with a full Redis running requests end and new ones are refused', async () => {
    const { hash } = (await given()).record
    const touched = (await given(START)).record.hash
    await client.config('SET', 'maxmemory', '1')
    try {
      expect(await codeOf(store.create(aRecord()))).toBe('storage_unavailable')
      const changes: Command[] = [
        START,
        progressTo(30, 'Going on'),
        REQUIRE_OTP,
        { type: 'submit_otp', otp: '483920' },
        { type: 'reject_otp', attempt: 1 },
        {
          type: 'retry',
          attempt: 1,
          nextRetryAt: Date.now(),
          error: { code: 'x', message: 'X', retryable: true },
        },
        { type: 'start', attempt: 2 },
        { type: 'complete', attempt: 2, result: { score: 712 } },
      ]
      for (const command of changes) await applyCommand(hash, command)
      expect(await recordOf(another(), hash)).toMatchObject({
        status: 'completed',
        result_data: { score: 712 },
      })
      expect((await store.apply(touched, CANCEL)).ok).toBe(true)
    } finally {
      await client.config('SET', 'maxmemory', '0')
    }
    expect(await store.create(aRecord())).toBe(true)
  })

  it('a fail-fast store rejects writes to a full Redis or a replica', async () => {
    const fast = createRequestStore({
      redis: await redis.connections.connect('fail-fast'),
      ttlSeconds: TTL_SECONDS,
    })
    const { hash } = (await given(START)).record
    await client.call('REPLICAOF', '127.0.0.1', '1')
    try {
      expect(await codeOf(fast.apply(hash, progressTo(10)))).toBe('storage_unavailable')
    } finally {
      await client.call('REPLICAOF', 'NO', 'ONE')
    }
    await eventually(async () => expect((await fast.apply(hash, progressTo(10))).ok).toBe(true))
    expect(await store.read(aHash())).toBeNull()
  })
})

describe('a program that writes faster than the store can commit', () => {
  /** A store whose every write conflicts with one of another program. */
  function overtakenAt(hash: string) {
    let writes = 0
    const redis: RedisClient = Object.create(client)
    redis.runCommitRequest = async (...args) => {
      await client.set(keys.record(hash), JSON.stringify({ status: 'processing', progress: ++writes % 50 }))
      return client.runCommitRequest(...args)
    }
    return { late: createRequestStore({ redis, ttlSeconds: TTL_SECONDS }), writes: () => writes }
  }

  it('reads and writes fail instead of looping when another program keeps writing', async () => {
    const { hash } = (await given(START)).record
    const { late, writes } = overtakenAt(hash)
    await client.set(keys.record(hash), JSON.stringify({ status: 'processing' }))
    expect(await codeOf(late.read(hash))).toBe('storage_unavailable')
    expect(await codeOf(late.apply(hash, CANCEL))).toBe('storage_unavailable')
    expect(writes()).toBeLessThan(100)
    expect((await recordOf(store, hash)).status).toBe('processing')
  })

  it('a read returns the last valid state when another program keeps writing', async () => {
    const { hash } = (await given(START, progressTo(30, 'Ours'))).record
    const { late } = overtakenAt(hash)
    await late.read(hash)
    await client.set(keys.record(hash), JSON.stringify({ status: 'processing', progress: 40 }))
    expect(await recordOf(late, hash)).toMatchObject({ progress: 30, current_message: 'Ours' })
    expect(await codeOf(late.apply(hash, CANCEL))).toBe('storage_unavailable')
    expect((await recordOf(store, hash)).status).toBe('processing')
  })
})
