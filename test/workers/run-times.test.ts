/** Workers learn how long the runs of a service take, and start the next ones with that expectation. */
import { describe, expect, test } from 'vitest'
import { type EndedRequest, MIN_RUNS } from '../../core/domain/arrival.ts'
import { toIso } from '../../core/domain/iso-time.ts'
import { createRunTimes } from '../../core/store/run-times.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { failure, later, success } from './foreign-bot.ts'
import { useLines } from './line.ts'

const redis = await useRedis()
const { client, store } = await useRequests(redis)
const { bot, useLine, record, ended } = await useLines(redis)

/** A request that took so many seconds, of which its first step began after one. */
const completedIn = (seconds: number): EndedRequest => ({
  attempt: 1,
  started_at: toIso(0),
  completed_at: toIso(seconds * 1000),
  steps: [{ id: 'first', state: 'done', started_at: toIso(1000), finished_at: toIso(seconds * 1000) }],
})
/** Without the cache of a worker. */
const fresh = () => createRunTimes({ redis: client })
const rows = (slug: string) => client.lrange(keys.runTimes(slug), 0, -1)

describe('a worker', () => {
  test('learns from a request that the bot answered, and from one that its updater completed', async () => {
    const line = useLine()
    const open = later()
    const answered = await line.submit({ replies: [success({})] })
    const written = await line.submit({ replies: [open.reply] })
    line.work()
    await ended(answered)
    await bot.call(written)
    await store.apply(written, { type: 'progress', attempt: 1, progress: 10, step: 'first' })
    await store.apply(written, { type: 'complete', attempt: 1, result: {} })
    await eventually(async () => expect(await rows(line.service.slug)).toHaveLength(2))
    open.answer(success({}))
    const [last, first] = (await rows(line.service.slug)).map((row) => JSON.parse(row))
    expect(first).toEqual([expect.any(String), null, expect.any(Number), null])
    expect(last).toEqual([expect.any(String), null, expect.any(Number), expect.any(Number)])
  })

  test('starts a request with what the last runs let expect, and notes whether it kept it', async () => {
    const line = useLine()
    const { add } = fresh()
    for (let i = 0; i < MIN_RUNS; i++) await add(line.service, completedIn(10 + i), undefined)
    const open = later()
    const hash = await line.submit({ replies: [open.reply] })
    line.work()
    await bot.call(hash)
    expect((await record(hash)).expected).toEqual({ total: [10, 29], steps: { first: [9, 28] } })
    open.answer(success({}))
    await ended(hash)
    await eventually(async () => expect(JSON.parse((await rows(line.service.slug))[0]!)[1]).toBe(false))
    expect(await fresh().calibration(line.service)).toEqual({ runs: MIN_RUNS + 1, expected: 1, inside: 0 })
  })

  test('learns nothing from a failed request', async () => {
    const line = useLine({ tries: 1 })
    const failed = await line.submit({ replies: [failure('portal_down')] })
    const completed = await line.submit({ replies: [success({})] })
    line.work()
    await ended(failed)
    await ended(completed)
    await eventually(async () => expect(await rows(line.service.slug)).toHaveLength(1))
  })
})

describe('the runs of a service', () => {
  test('are the last 200, of the same steps', async () => {
    const { service } = useLine()
    const { add } = fresh()
    await Promise.all(Array.from({ length: 205 }, () => add(service, completedIn(10), undefined)))
    expect((await fresh().calibration(service)).runs).toBe(200)
    const other = { ...service, steps: [{ ...service.steps[0]!, id: 'another' }] }
    expect((await fresh().calibration(other)).runs).toBe(0)
  })

  test('are read past a value that is none', async () => {
    const { service } = useLine()
    await client.rpush(keys.runTimes(service.slug), 'nonsense', '{}', '[1,2]')
    expect(await fresh().expectation(service)).toBeUndefined()
    await client.set(keys.runTimes(service.slug), 'text')
    expect(await fresh().expectation(service)).toBeUndefined()
  })
})
