/** Who is worked on next: those who wait, those for later whose time has come, and those who are tried again. */
import { describe, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { useRedis } from '../helpers/redis.ts'
import { failure, later, success, turnedAway } from './foreign-bot.ts'
import { timeOf, useLines } from './line.ts'

const { bot, client: redis, useLine, record, ended, callsInOrder } = await useLines(await useRedis())

const again = failure('portal_down', { retryable: true })
const after = (at: number): Promise<void> => eventually(() => expect(Date.now()).toBeGreaterThan(at))

describe('a request for later', () => {
  test('gets in line when its time has come, behind those of others who wait', async () => {
    const line = useLine()
    const names = new Map<string, string>()
    const submit = async (submitter: string, inMs = 0): Promise<void> => {
      names.set(await line.submit({ submitter, inMs, replies: [success()] }), submitter)
    }
    // Longer than a submit takes on a busy machine: what is due once it is stored never waits for its time.
    const inMs = 500
    for (let i = 0; i < 4; i++) await submit('ann', inMs)
    const due = Date.now() + inMs
    for (const who of ['bob', 'bob', 'cid']) await submit(who)
    await after(due)
    line.work()
    await Promise.all([...names.keys()].map(ended))
    const order = callsInOrder([...names.keys()]).map((hash) => names.get(hash))
    expect(order.join(' ')).toBe('bob cid ann bob ann ann ann')
  })

  test('is begun when it is due, and not before, though its job comes too early', async () => {
    const line = useLine()
    const hash = await line.submit({ inMs: 500, replies: [success()] })
    const { run_at } = await record(hash)
    line.work()
    await line.queues.promote(await record(hash), line.service)
    const call = await bot.call(hash)
    expect(timeOf(call)).toBeGreaterThanOrEqual(Date.parse(run_at ?? '') - 1)
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 1 })
    expect(bot.calls(hash)).toHaveLength(1)
  })
})

describe('a request that is tried again', () => {
  test('goes before those that have not begun', async () => {
    const line = useLine()
    const first = await line.submit({ submitter: 'ann', replies: [again, success()] })
    const open = later()
    const second = await line.submit({ submitter: 'bob', replies: [open.reply] })
    const others = await Promise.all(
      ['bob', 'cid', 'dan'].map((submitter) => line.submit({ submitter, replies: [success()] })),
    )
    line.work()
    await bot.call(second)
    await after(Date.parse((await record(first)).next_retry_at ?? ''))
    open.answer(success())
    await Promise.all([first, second, ...others].map(ended))
    expect(callsInOrder([first, second, ...others]).slice(0, 3)).toEqual([first, second, first])
  })

  test('is tried as often as the worker was told, whatever its service says', async () => {
    for (const [planned, tries] of [
      [3, 1],
      [1, 4],
    ] as const) {
      const line = useLine({ tries: planned })
      const hash = await line.submit({ replies: [again, again, again, again, success()] })
      line.work({ tries })
      expect(await ended(hash)).toMatchObject({ status: 'failed', attempt: tries, max_attempts: tries })
      expect(bot.calls(hash)).toHaveLength(tries)
    }
  })

  test('ends instead when its next try would come after its record is gone', async () => {
    const line = useLine({ backoff: { type: 'fixed', seconds: 20 }, limitSeconds: 300 })
    const [short, long] = await Promise.all([
      line.submit({ ttlSeconds: 15, replies: [again] }),
      line.submit({ ttlSeconds: 60, replies: [again] }),
    ])
    line.work()
    expect(await ended(short)).toMatchObject({
      status: 'failed',
      attempt: 1,
      error_data: { code: 'portal_down', retryable: true },
    })
    await eventually(async () => expect((await record(long)).next_retry_at).not.toBeNull())
    expect(await redis.zscore(`halfway:${line.queue.name}:delayed`, short)).toBeNull()
  })
})

describe('a worker that has done enough', () => {
  test('gives back what it took meanwhile, and whoever waited there keeps their turn', async () => {
    const line = useLine()
    const bobs: string[] = []
    for (let i = 0; i < 5; i++) bobs.push(await line.submit({ submitter: 'bob', replies: [success()] }))
    await new Promise<void>((resolve) => {
      const worker = line.work({ concurrency: 5, onAttempt: () => void worker.finish().then(resolve) })
    })
    expect(callsInOrder(bobs)).toEqual(bobs.slice(0, 1))
    const cid = await line.submit({ submitter: 'cid', replies: [success()] })
    line.work()
    await Promise.all([cid, ...bobs].map(ended))
    // Bob's next one waited for longer, those after it take turns.
    expect(callsInOrder([cid, ...bobs]).indexOf(cid)).toBe(2)
    for (const hash of bobs) expect(await record(hash)).toMatchObject({ attempt: 1, max_attempts: 3 })
  })
})

describe('a bot that is busy', () => {
  test('is left alone by its whole queue for as long as it asks, and other queues go on', async () => {
    const [busy, other] = [useLine(), useLine()]
    await Promise.all([busy.queues.applyLimits(), other.queues.applyLimits()])
    busy.work({ concurrency: 5 })
    busy.work({ concurrency: 5 })
    other.work()
    const first = await busy.submit({ replies: [turnedAway(429, { 'retry-after': '2' }), success()] })
    await eventually(async () => expect((await record(first)).next_retry_at).not.toBeNull())
    const told = await bot.call(first)
    const waiting = await Promise.all([1, 2, 3].map(() => busy.submit({ replies: [success()] })))
    const elsewhere = await other.submit({ replies: [success()] })
    await ended(elsewhere)
    expect(callsInOrder([first, elsewhere])).toEqual([first, elsewhere])
    for (const hash of [first, ...waiting]) expect(await ended(hash)).toMatchObject({ status: 'completed' })
    for (const call of [bot.calls(first)[1], ...waiting.map((hash) => bot.calls(hash)[0])])
      expect((call?.at ?? 0) - told.at).toBeGreaterThan(1980)
  })

  test('is asked again after a quarter of an hour, whatever it says', async () => {
    const line = useLine()
    await line.queues.applyLimits()
    line.work()
    const turnedDown = await line.submit({ replies: [turnedAway(429, { 'retry-after': '86400' })] })
    expect(await ended(turnedDown)).toMatchObject({ status: 'failed', error_data: { code: 'bot_busy' } })
    const heldMs = await redis.pttl(`${redis.names.queues}:${line.queue.name}:limiter`)
    expect(heldMs).toBeGreaterThan(890_000)
    expect(heldMs).toBeLessThanOrEqual(900_000)
  })

  test('that has not taken one request for another reason keeps nobody else waiting', async () => {
    const line = useLine()
    await line.queues.applyLimits()
    line.work()
    const first = await line.submit({ replies: [turnedAway(503, { 'retry-after': '30' })] })
    const second = await line.submit({ replies: [success()] })
    expect(await ended(second)).toMatchObject({ status: 'completed' })
    expect((await bot.call(second)).at - (await bot.call(first)).at).toBeLessThan(20_000)
  })
})
