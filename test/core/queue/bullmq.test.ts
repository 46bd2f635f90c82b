/** What core/queue/bullmq.ts assumes of BullMQ's internals. A test that fails after an update of BullMQ names what changed. */
import { type Job, Worker } from 'bullmq'
import { afterAll, describe, expect, it } from 'vitest'
import {
  BLOCK_SECONDS,
  blockingOptions,
  COMPACT_JOB,
  capBlockTimeout,
  createPositionFinder,
  keysOf,
  nextJobs,
  openQueue,
  prioritizedJobs,
  RATE_LIMITED,
  SCORE_PER_PRIORITY,
  unlockedJobs,
} from '../../../core/queue/bullmq.ts'
import { aHash } from '../../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../../helpers/redis.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const queue = openQueue('assumptions', client, quiet)
const keys = keysOf(queue)
const findPosition = createPositionFinder(client, queue)
afterAll(() => queue.close())

const add = async (options: object): Promise<string> => {
  const hash = aHash()
  await queue.add('request', {}, { ...COMPACT_JOB, jobId: hash, ...options })
  return hash
}

describe('BullMQ', () => {
  it('scores a job with a priority by the priority times SCORE_PER_PRIORITY plus a counter', async () => {
    const [first, second] = [await add({ priority: 7 }), await add({ priority: 7 })]
    const [a, b] = (await client.zmscore(keys.prioritized, first, second)).map(Number) as [number, number]
    expect(Math.floor(a / SCORE_PER_PRIORITY)).toBe(7)
    expect(b).toBe(a + 1)
    expect(await prioritizedJobs(client, queue, [first, aHash(), second])).toEqual([first, second])
    await queue.obliterate()
  })

  it('runs jobs without a priority first, in the order of their positions', async () => {
    const later = await add({ priority: 1 })
    const [first, second] = [await add({}), await add({})]
    const positions = [first, second, later].map((hash) => findPosition(hash))
    expect(await Promise.all(positions)).toEqual([1, 2, 3])
    expect(await nextJobs(client, queue, 1)).toEqual([first, later])
    expect((await unlockedJobs(client, queue)).sort()).toEqual([first, second, later].sort())
    const taken: string[] = []
    const worker = new Worker('assumptions', async ({ id }: Job) => void taken.push(id as string), {
      connection: client,
      prefix: client.names.queues,
    })
    await new Promise<void>((resolve) => worker.once('drained', () => resolve()))
    await worker.close()
    expect(taken).toEqual([first, second, later])
  })

  it('a job is looked for among the next 10,000 of the list that has no index', async () => {
    const ids = Array.from({ length: 10_001 }, (_, i) => `job-${i}`)
    await client.lpush(keys.wait, ...ids)
    const found = ['job-0', 'job-9999', 'job-10000'].map((id) => findPosition(id))
    expect(await Promise.all(found)).toEqual([1, 10_000, null])
    await client.del(keys.wait)
  })

  it.runIf(onRealRedis)('the positions of 200 jobs take one command', async () => {
    const hashes = await Promise.all(Array.from({ length: 200 }, () => add({ priority: 1 })))
    await findPosition(hashes[0] as string)
    await client.config('RESETSTAT')
    const positions = await Promise.all(hashes.map(findPosition))
    expect(await client.info('commandstats')).toMatch(/cmdstat_evalsha:calls=1,/)
    expect(positions.sort((a, b) => Number(a) - Number(b))).toEqual(hashes.map((_, i) => i + 1))
    await queue.obliterate()
  })

  it.runIf(onRealRedis)('stores a job with COMPACT_JOB as a listpack', async () => {
    const hash = await add({ priority: 23_282 })
    expect(await client.object('ENCODING', keys.job(hash))).toBe('listpack')
    await queue.obliterate()
  })

  it('holds a queue by a limiter of RATE_LIMITED, which getRateLimitTtl tells from an ordinary window', async () => {
    await queue.setGlobalRateLimit(5, 1000)
    expect(await client.hexists(keys.meta, 'max')).toBe(1)
    await queue.rateLimit(60_000)
    expect(await client.get(keys.limiter)).toBe(String(RATE_LIMITED))
    expect(await queue.getRateLimitTtl(RATE_LIMITED)).toBeGreaterThan(50_000)
    await client.set(keys.limiter, '3', 'PX', 60_000)
    expect(await queue.getRateLimitTtl(RATE_LIMITED)).toBe(0)
    await queue.removeGlobalRateLimit()
    await client.del(keys.limiter)
  })

  it('keeps the maximum block timeout of a worker where capBlockTimeout sets it', async () => {
    const worker = new Worker('assumptions', null, {
      connection: client,
      prefix: client.names.queues,
      autorun: false,
      ...blockingOptions(BLOCK_SECONDS),
    })
    const backend = (): object => worker.getBackend()
    expect(backend()).toHaveProperty('maximumBlockTimeout', 10)
    expect('blockingConnection' in backend()).toBe(true)
    capBlockTimeout(worker, BLOCK_SECONDS)
    expect(backend()).toHaveProperty('maximumBlockTimeout', BLOCK_SECONDS)
    await worker.close()
  })

  it('names its keys prefix:queue:name, which `cleanup` and `doctor` rely on', () => {
    expect(keys.active).toBe(`${client.names.queues}:assumptions:active`)
  })
})
