/** The queues in a Cluster: each in a slot of its own. */
import { Queue } from 'bullmq'
import { afterAll, expect, test } from 'vitest'
import { createOrphans } from '../../../core/actions/orphans.ts'
import { laneOf } from '../../../core/queue/lanes.ts'
import { createQueueStats } from '../../../core/queue/queue-stats.ts'
import { createQueues } from '../../../core/queue/queues.ts'
import { openRedis, type RedisClient } from '../../../core/redis/connect.ts'
import { loadConfig } from '../../../core/runtime/config.ts'
import { createDeadlineIndex } from '../../../core/store/deadline-index.ts'
import { createFailedRequests } from '../../../core/store/failed-requests.ts'
import { createRequestStore } from '../../../core/store/request-store.ts'
import { startRescuer } from '../../../workers/rescuer.ts'
import { eventually } from '../../helpers/eventually.ts'
import { useQueue } from '../../helpers/queue.ts'
import { applyCommands, aRecord, START, TTL_SECONDS } from '../../helpers/record.ts'
import { onRealRedis, quiet } from '../../helpers/redis.ts'
import { type ClusterTopology, startCluster } from '../../helpers/redis-servers.ts'
import { catalog, linkCheck } from '../../helpers/services.ts'

const topology = onRealRedis ? await startCluster() : null
const { redis: target } = loadConfig(topology?.settings ?? {})
const connections = topology && (await openRedis(target, quiet))
const redis = (await connections?.connect('patient')) as RedisClient
const findMaster = topology?.findMaster as ClusterTopology['findMaster']
afterAll(() => connections?.stop())

test.runIf(onRealRedis)('queues lie on several masters, and work there with limits and turns', async () => {
  const lines = Array.from({ length: 6 }, () => useQueue(redis, { concurrency: 2 }))
  const masters = await Promise.all(lines.map((line) => findMaster(line.key('wait'))))
  expect(new Set(masters).size).toBe(3)
  await Promise.all(
    lines.map(async (line) => {
      await line.queues.applyLimits()
      for (const submitter of ['a', 'a', 'b']) await line.add(submitter)
      expect(await line.takeAll()).toEqual(['a', 'b', 'a'])
      await line.queues.pause(line.queue.name)
      const { hash } = await line.add('c')
      expect(await line.take()).toBeNull()
      expect(await line.queues.position(hash, line.queue)).toBe(1)
      await line.queues.resume(line.queue.name)
      await line.queues.erase(hash, line.queue)
      expect(await line.queues.has(hash, line.queue)).toBe(false)
    }),
  )
})

test.runIf(onRealRedis)('the lanes of one queue lie on several masters', async () => {
  const queue = { name: 'spread', lanes: 8 }
  const queues = createQueues({ redis, log: quiet, queueList: () => [queue] })
  const masters = new Set<string>()
  const lanes = new Set<string>()
  // Until each lane has a request: a fixed number of random ones may miss the only lane of a master.
  while (lanes.size < queue.lanes) {
    const record = aRecord()
    await queues.add(record, { queue })
    const lane = laneOf(queue, record.hash)
    lanes.add(lane)
    const key = `${redis.names.queue(lane)}:${lane}:${record.hash}`
    expect(await redis.exists(key)).toBe(1)
    masters.add(String((await findMaster(key)).port))
  }
  await queues.stop()
  expect(masters.size).toBe(3)
})

test.runIf(onRealRedis)(
  'cleanup finds the jobs of missing requests and what is left of lost jobs',
  async () => {
    const line = useQueue(redis)
    const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
    const stats = createQueueStats({ redis, store, log: quiet, queues: () => [line.queue] })
    const orphans = createOrphans({ redis, store, queues: line.queues, queueStats: stats })
    const { hash } = await line.add('a')
    const lost = aRecord().hash
    await redis.hset(line.key(lost), 'name', 'request')
    const found = await orphans.find()
    expect(found).toMatchObject({ jobs: [{ queue: line.queue.name, hash }], keys: [line.key(lost)] })
    await orphans.remove(found)
    expect(await orphans.find()).toMatchObject({ jobs: [], keys: [] })
    await stats.stop()
  },
)

test.runIf(onRealRedis)(
  'the rescuer adds jobs that the version before has in the slot of all queues',
  async () => {
    const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
    const queues = createQueues({ redis, log: quiet, queueList: () => [linkCheck.queue] })
    const deadlineIndex = createDeadlineIndex({ redis })
    const before = new Queue(linkCheck.queue.name, { connection: redis, prefix: '{halfway}' })
    const old = Date.now() - 60_000
    const pending = aRecord({ now: old, service_slug: linkCheck.slug })
    const error = { code: 'worker_stopping', message: 'X', retryable: true }
    const givenBack = applyCommands(
      aRecord({ now: old, service_slug: linkCheck.slug }),
      [START, { type: 'retry', attempt: 1, nextRetryAt: old, error }],
      old,
    )
    for (const record of [pending, givenBack]) {
      await store.create(record)
      await before.add('request', {}, { jobId: record.hash })
      await deadlineIndex.schedule(record.hash, Date.now())
    }
    const failures = createFailedRequests({ redis })
    const rescuer = startRescuer({
    store, deadlineIndex, queues, failures, catalog, log: quiet, everyMs: 10, now: Date.now,
  }) // biome-ignore format: one line of parts
    for (const { hash } of [pending, givenBack])
      await eventually(async () => expect(await queues.has(hash, linkCheck.queue)).toBe(true))
    await rescuer.stop()
    await queues.stop()
    await before.close()
  },
)
