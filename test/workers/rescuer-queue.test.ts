/** The rescuer with many waiting requests: it reads only those whose job is lost. */
import { afterAll, describe, expect, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { toIso } from '../../core/domain/iso-time.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import { createFailedRequests } from '../../core/store/failed-requests.ts'
import { createRequestStore, type StoredRecord } from '../../core/store/request-store.ts'
import { type Rescuer, startRescuer } from '../../workers/rescuer.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aRecord, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { catalog, linkCheck } from '../helpers/services.ts'

const { connections } = await useRedis()
const redis = await connections.connect('patient')
const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
const deadlineIndex = createDeadlineIndex({ redis })
const queues = createQueues({ redis, log: quiet, queueList: () => queuesOf(catalog) })
const failures = createFailedRequests({ redis })
const rescuers: Rescuer[] = []
afterAll(async () => {
  await Promise.all(rescuers.map((rescuer) => rescuer.stop()))
  await queues.stop()
})

const WAITING = onRealRedis ? 2_000 : 60
const PRIORITIZED = 'halfway:crawls:prioritized'

const submit = async (): Promise<string> => {
  const record = aRecord({ service_slug: linkCheck.slug })
  await Promise.all([store.create(record), deadlineIndex.schedule(record.hash, Date.now())])
  await queues.add(record, linkCheck)
  return record.hash
}
const isWaiting = async (hash: string): Promise<boolean> => (await queues.inLine([hash])).has(hash)
const makeAllDue = (hashes: readonly string[]) =>
  redis.zadd(keys.deadlines, ...hashes.flatMap((hash, i) => [i, hash]))

/** Number of commands of this name since the statistics were reset, including those of scripts. */
async function commands({ of }: { of: string }): Promise<number> {
  const stats = await redis.info('commandstats')
  return Number(new RegExp(`cmdstat_${of}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

describe('deadlines that are due', () => {
  test('a due deadline is taken by one rescuer, and again by another one if that dies', async () => {
    const hashes = await Promise.all(Array.from({ length: 50 }, submit))
    await makeAllDue(hashes)
    const [now, again] = [Date.now(), Date.now() + 30_000]
    const taken = await Promise.all(Array.from({ length: 5 }, () => deadlineIndex.take(now, 20, again)))
    expect(taken.flat().sort()).toEqual([...hashes].sort())
    expect(await deadlineIndex.take(now, 100, again)).toEqual([])
    expect((await deadlineIndex.take(again, 100, again)).sort()).toEqual([...hashes].sort())
    await Promise.all(hashes.map(deadlineIndex.remove))
  })
})

describe('a request whose job waits in its queue', () => {
  test('a request with a waiting job fails when a code requested by another program expires', async () => {
    const hash = await submit()
    const { record } = (await store.read(hash)) as StoredRecord
    const asked = { ...record, status: 'otp_required', otp_data: { expires_at: toIso(Date.now() - 301_000) } }
    await redis.setex(keys.record(hash), 1800, JSON.stringify(asked))
    await makeAllDue([hash])
    const rescuer = startRescuer({
      store,
      deadlineIndex,
      queues,
      failures,
      catalog,
      log: quiet,
      now: Date.now,
    })
    const read = async () => (await store.read(hash))?.record
    await eventually(async () => expect(await read()).toMatchObject({ error_data: { code: 'otp_expired' } }))
    await rescuer.stop()
    await queues.remove(hash, linkCheck.queue)
  })
})

describe(`with ${WAITING} requests in a queue`, () => {
  test('lost jobs are restored without a command per waiting request', async () => {
    const hashes = await Promise.all(Array.from({ length: WAITING }, submit))
    const [noHash, noPlace, neither, ...others] = hashes as [string, string, string, ...string[]]
    await redis.del(`halfway:crawls:${noHash}`, `halfway:crawls:${neither}`)
    await redis.zrem(PRIORITIZED, noPlace, neither)
    await makeAllDue(hashes)
    if (onRealRedis) await redis.config('RESETSTAT')
    for (let i = 0; i < 3; i++)
      rescuers.push(
        startRescuer({ store, deadlineIndex, queues, failures, catalog, log: quiet, now: Date.now }),
      )
    await eventually(async () => expect(await deadlineIndex.take(Date.now(), 1, Date.now())).toEqual([]), {
      everyMs: 100,
    })
    if (onRealRedis) {
      // One command per request would be thousands. Where one job of a batch of 1,000 is lost, its batch is checked one by one.
      expect(await commands({ of: 'zmscore' })).toBeLessThan(20)
      expect(await commands({ of: 'mget' })).toBeLessThan(20)
      expect(await commands({ of: 'zadd' })).toBeLessThan(60)
    }
    for (const hash of [noHash, noPlace, neither])
      await eventually(async () => expect(await isWaiting(hash)).toBe(true))
    expect(await redis.zcard(PRIORITIZED)).toBeGreaterThanOrEqual(WAITING)
    expect(await isWaiting(others[0] as string)).toBe(true)
  })

  test('all jobs of an emptied queue are restored', { timeout: 30_000 }, async () => {
    const hashes = await redis.zrange(PRIORITIZED, '0', '-1')
    await redis.del(PRIORITIZED)
    await makeAllDue(hashes)
    await eventually(async () => expect((await queues.inLine(hashes)).size).toBe(hashes.length), {
      withinMs: 20_000,
      everyMs: 100,
    })
  })
})
