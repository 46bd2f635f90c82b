/** The queues in BullMQ: waiting and delayed jobs, and the limits across all workers. */
import { Worker } from 'bullmq'
import { describe, expect, test } from 'vitest'
import { hashOf, type RequestJob } from '../../../core/queue/bullmq.ts'
import { createQueues } from '../../../core/queue/queues.ts'
import { cleanUp } from '../../helpers/clean-up.ts'
import { eventually } from '../../helpers/eventually.ts'
import { useQueue } from '../../helpers/queue.ts'
import { aRecord } from '../../helpers/record.ts'
import { quiet, useRedis } from '../../helpers/redis.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString()

/** Two workers, each on a connection of its own as in two processes, and the jobs they have started. */
async function twoWorkers(line: ReturnType<typeof useQueue>) {
  const started: { hash: string; at: number }[] = []
  let running = 0
  let most = 0
  let release!: () => void
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const work = async (job: RequestJob): Promise<void> => {
    started.push({ hash: hashOf(job), at: performance.now() })
    most = Math.max(most, ++running)
    await released
    running--
  }
  for (let i = 0; i < 2; i++) {
    const connection = await testRedis.connections.connect('patient')
    const worker = new Worker(line.queue.name, work, {
      connection,
      prefix: redis.names.queues,
      concurrency: 10,
    })
    cleanUp(() => worker.close(true))
    await worker.waitUntilReady()
  }
  return { started: started, release, most: () => most }
}

describe('a job', () => {
  test('the job of a scheduled request is delayed until its time', async () => {
    const line = useQueue(redis)
    const { hash, run_at } = await line.add('ann', { run_at: inMs(60_000) })
    expect(await line.take()).toBeNull()
    expect(await line.queues.position(hash, line.queue)).toBeNull()
    const due = Math.floor(Number(await redis.zscore(line.key('delayed'), hash)) / 0x1000)
    expect(Math.abs(due - Date.parse(run_at ?? ''))).toBeLessThan(1000)
  })

  test('the job of a request that is due waits in the queue', async () => {
    const line = useQueue(redis)
    const { hash } = await line.add('ann', { run_at: inMs(-1) })
    expect(await line.queues.position(hash, line.queue)).toBe(1)
  })

  test('the job of a started request runs before the most urgent ones', async () => {
    const line = useQueue(redis)
    await line.add('ann', { priority: 1 })
    const started = [
      await line.add('bob', { status: 'processing' }),
      await line.add('cid', { status: 'processing' }),
    ]
    expect(await Promise.all(started.map(({ hash }) => line.queues.position(hash, line.queue)))).toEqual([
      1, 2,
    ])
    expect(await line.takeAll()).toEqual(['bob', 'cid', 'ann'])
  })

  test('a job added several times exists once', async () => {
    const line = useQueue(redis)
    const record = await line.add('ann')
    await line.add('bob')
    for (let i = 0; i < 5; i++) await line.queues.add(record, { queue: line.queue })
    expect(await line.takeAll()).toEqual(['ann', 'bob'])
  })

  test('only a lost job is added again; adding an existing one assigns no round', async () => {
    const line = useQueue(redis)
    const [kept, lost] = [await line.add('ann'), await line.add('bob')]
    await line.queues.remove(lost.hash, line.queue)
    for (const record of [kept, lost, kept]) await line.queues.addIfMissing(record, { queue: line.queue })
    await line.add('ann')
    expect(await redis.zscore(line.key('turns:5'), 'ann')).toBe('2')
    expect(await line.takeAll()).toEqual(['ann', 'bob', 'ann'])
  })

  test('promoting wakes a delayed job, adds a missing one and leaves a waiting one in place', async () => {
    const line = useQueue(redis)
    const first = await line.add('ann')
    const delayed = await line.add('bob', { run_at: inMs(60_000) })
    const gone = aRecord({ submitter: 'cid' })
    for (const record of [first, delayed, gone]) await line.queues.promote(record, { queue: line.queue })
    const places = [first, delayed, gone].map(({ hash }) => line.queues.position(hash, line.queue))
    expect(await Promise.all(places)).toEqual([2, 1, 3])
  })

  test('a job without a priority has the priority of its service', async () => {
    const line = useQueue(redis)
    const where = (priority?: number) => ({ queue: line.queue, priority })
    const [usual, low, own] = [aRecord(), aRecord(), aRecord({ priority: 1 })]
    await line.queues.add(low, where(9))
    await line.queues.add(usual, where())
    await line.queues.add(own, where(9))
    expect([await line.take(), await line.take(), await line.take()]).toEqual([
      own.hash,
      usual.hash,
      low.hash,
    ])
  })
})

describe('a queue that is held', () => {
  test('a held queue gives out no jobs until the hold ends, then resumes', async () => {
    const line = useQueue(redis)
    await line.queues.applyLimits()
    await line.add('ann')
    await line.queues.hold(line.queue, 150)
    const held = performance.now()
    await eventually(async () => expect(await line.take()).not.toBeNull())
    expect(performance.now() - held).toBeGreaterThan(130)
  })

  test('a short hold does not end a longer one', async () => {
    const line = useQueue(redis)
    const other = createQueues({ redis, log: quiet, queueList: () => [line.queue] })
    cleanUp(() => other.stop())
    await line.queues.applyLimits()
    await line.queues.hold(line.queue, 60_000)
    await other.hold(line.queue, 1_000)
    expect(await redis.pttl(line.key('limiter'))).toBeGreaterThan(50_000)
  })
})

describe('the limits of a queue', () => {
  test('the concurrency limit of a queue holds across all workers', async () => {
    const line = useQueue(redis, { concurrency: 3 })
    await line.queues.applyLimits()
    const workers = await twoWorkers(line)
    for (let i = 0; i < 8; i++) await line.add('ann')
    await eventually(() => expect(workers.started).toHaveLength(3))
    expect(await redis.llen(line.key('active'))).toBe(3)
    workers.release()
    await eventually(() => expect(workers.started).toHaveLength(8))
    expect(workers.most()).toBe(3)
  })

  test('the rate limit of a queue holds across all workers', async () => {
    const line = useQueue(redis, { rate: { requests: 4, seconds: 1 } })
    await line.queues.applyLimits()
    const workers = await twoWorkers(line)
    workers.release()
    for (let i = 0; i < 6; i++) await line.add('ann')
    await eventually(() => expect(workers.started).toHaveLength(6))
    const [first, , , fourth, fifth] = workers.started.map(({ at }) => at)
    // In sequence they would take three seconds.
    expect((fourth ?? 0) - (first ?? 0)).toBeLessThan(2500)
    expect((fifth ?? 0) - (first ?? 0)).toBeGreaterThan(900)
  })

  test('limits are removed when the queue no longer defines them', async () => {
    const line = useQueue(redis, { concurrency: 3, rate: { requests: 4, seconds: 60 } })
    await line.queues.applyLimits()
    const meta = () => redis.hgetall(line.key('meta'))
    expect(await meta()).toMatchObject({ concurrency: '3', max: '4', duration: '60000' })
    Object.assign(line.queue, { concurrency: undefined, rate: undefined })
    await line.queues.applyLimits()
    expect(await meta()).not.toHaveProperty('concurrency')
    expect(Number((await meta()).max)).toBeGreaterThan(1_000_000)
  })
})
