/** The order of attempts: waiting, scheduled and retried requests, and queues that are held. */
import { describe, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { useRedis } from '../helpers/redis.ts'
import { failure, later, refusedWith, success } from './foreign-bot.ts'
import { useLines } from './line.ts'

const { bot, client: redis, useLine, record, ended, callsInOrder } = await useLines(await useRedis())

const again = failure('portal_down', { retryable: true })
const after = (at: number): Promise<void> => eventually(() => expect(Date.now()).toBeGreaterThan(at))

describe('a scheduled request', () => {
  test('a scheduled request is queued fairly when it is due', async () => {
    const line = useLine()
    const names = new Map<string, string>()
    const submit = async (submitter: string, inMs = 0): Promise<void> => {
      names.set(await line.submit({ submitter, inMs, replies: [success()] }), submitter)
    }
    // Longer than a submit takes on a busy machine: a request that is due when stored is not scheduled.
    const inMs = 2000
    for (let i = 0; i < 4; i++) await submit('ann', inMs)
    const due = Date.now() + inMs
    for (const who of ['bob', 'bob', 'cid']) await submit(who)
    await after(due)
    line.work()
    await Promise.all([...names.keys()].map(ended))
    const order = callsInOrder([...names.keys()]).map((hash) => names.get(hash))
    expect(order.join(' ')).toBe('bob cid ann bob ann ann ann')
  })

  test('a scheduled request does not start before it is due, even if its job is promoted', async () => {
    const line = useLine()
    const inMs = 500
    const submittedAt = performance.now()
    const hash = await line.submit({ inMs, replies: [success()] })
    line.work()
    await line.queues.promote(await record(hash), line.service)
    const call = await bot.call(hash)
    expect(call.at - submittedAt).toBeGreaterThanOrEqual(inMs - 1)
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 1 })
    expect(bot.calls(hash)).toHaveLength(1)
  })
})

describe('a retried request', () => {
  test('a retried request goes ahead of requests that have not started', async () => {
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

  test('the worker’s tries override those of the service', async () => {
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

  test('a request fails if its next attempt would be due after its record expires', async () => {
    const line = useLine({ backoff: { type: 'fixed', seconds: 20 }, limit_seconds: 300 })
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

describe('a worker that reached its limit', () => {
  test('a finished worker gives back the jobs it has not started, which keep their priority', async () => {
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
    // Bob's next request keeps its earlier round; the ones after it alternate with Cid's.
    expect(callsInOrder([cid, ...bobs]).indexOf(cid)).toBe(2)
    for (const hash of bobs) expect(await record(hash)).toMatchObject({ attempt: 1, max_attempts: 3 })
  })
})

describe('a bot that is busy', () => {
  test('a busy bot holds its whole queue until Retry-After, and no other queue', async () => {
    const [busy, other] = [useLine(), useLine()]
    await Promise.all([busy.queues.applyLimits(), other.queues.applyLimits()])
    busy.work({ concurrency: 5 })
    busy.work({ concurrency: 5 })
    other.work()
    const first = await busy.submit({ replies: [refusedWith(429, { 'retry-after': '2' }), success()] })
    await eventually(async () => expect((await record(first)).next_retry_at).not.toBeNull())
    const refused = await bot.call(first)
    const waiting = await Promise.all([1, 2, 3].map(() => busy.submit({ replies: [success()] })))
    const elsewhere = await other.submit({ replies: [success()] })
    await ended(elsewhere)
    expect(callsInOrder([first, elsewhere])).toEqual([first, elsewhere])
    for (const hash of [first, ...waiting]) expect(await ended(hash)).toMatchObject({ status: 'completed' })
    for (const call of [bot.calls(first)[1], ...waiting.map((hash) => bot.calls(hash)[0])])
      expect((call?.at ?? 0) - refused.at).toBeGreaterThan(1980)
  })

  test('a queue is held for at most 15 minutes, whatever Retry-After says', async () => {
    const line = useLine()
    await line.queues.applyLimits()
    line.work()
    const refused = await line.submit({ replies: [refusedWith(429, { 'retry-after': '86400' })] })
    expect(await ended(refused)).toMatchObject({ status: 'failed', error_data: { code: 'bot_busy' } })
    const heldMs = await redis.pttl(`${redis.names.queues}:${line.queue.name}:limiter`)
    expect(heldMs).toBeGreaterThan(890_000)
    expect(heldMs).toBeLessThanOrEqual(900_000)
  })

  test('a bot that refuses one request with 503 does not hold its queue', async () => {
    const line = useLine()
    await line.queues.applyLimits()
    line.work()
    const first = await line.submit({ replies: [refusedWith(503, { 'retry-after': '30' })] })
    const second = await line.submit({ replies: [success()] })
    expect(await ended(second)).toMatchObject({ status: 'completed' })
    expect((await bot.call(second)).at - (await bot.call(first)).at).toBeLessThan(20_000)
  })
})
