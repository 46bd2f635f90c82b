/** A Redis that returns empty: what every worker has set at its start is set again. */
import { describe, expect, test } from 'vitest'
import { createQueues } from '../../../core/queue/queues.ts'
import { cleanUp } from '../../helpers/clean-up.ts'
import { eventually } from '../../helpers/eventually.ts'
import { type TestQueue, useQueue } from '../../helpers/queue.ts'
import { onRealRedis, quiet, useRedis } from '../../helpers/redis.ts'

const redis = await (await useRedis()).connections.connect('patient')

describe('a Redis that was emptied', () => {
  const metaOf = (line: TestQueue) => redis.hgetall(line.key('meta'))
  const HELD = { concurrency: '3', max: '4', duration: '60000', 'opts.maxLenEvents': '100' }

  test('an emptied Redis gets the limits of a queue and the rest of its hold again', async () => {
    const line = useQueue(redis, { concurrency: 3, rate: { requests: 4, seconds: 60 } })
    await line.queues.applyLimits()
    await line.queues.hold(line.queue, 60_000)
    await redis.flushall()
    await eventually(async () => expect(await metaOf(line)).toMatchObject(HELD))
    await eventually(async () => expect(await redis.pttl(line.key('limiter'))).toBeGreaterThan(40_000))
    await line.add('ann')
    expect(await line.take()).toBeNull()
  })

  test('a queue in an emptied Redis is not held again once the hold is over', async () => {
    const line = useQueue(redis)
    await line.queues.applyLimits()
    await line.queues.hold(line.queue, 50)
    await redis.flushall()
    await eventually(async () => expect(await metaOf(line)).toHaveProperty('max'))
    await line.add('ann')
    await eventually(async () => expect(await line.take()).not.toBeNull())
  })

  test('an emptied Redis keeps the limits that a newer version has set meanwhile', async () => {
    const [line, other] = [useQueue(redis, { concurrency: 3 }), useQueue(redis, { concurrency: 3 })]
    const queues = createQueues({ redis, log: quiet, queueList: () => [line.queue, other.queue] })
    cleanUp(() => queues.stop())
    await queues.applyLimits()
    await redis.hset(line.key('meta'), 'concurrency', 7)
    // Both are checked at the same time.
    await redis.del(other.key('meta'))
    await eventually(async () => expect(await metaOf(other)).toMatchObject({ concurrency: '3' }))
    expect(await metaOf(line)).toMatchObject({ concurrency: '7' })
  })

  test.runIf(onRealRedis)(
    'a Redis that restarted empty gets the limits of a queue again immediately',
    async () => {
      const own = await useRedis()
      const client = await own.connections.connect('patient')
      const line = useQueue(client, { concurrency: 3, rate: { requests: 4, seconds: 60 } })
      await line.queues.applyLimits()
      await line.queues.hold(line.queue, 60_000)
      await own.stop()
      await own.restart()
      await eventually(async () => expect(await client.hgetall(line.key('meta'))).toMatchObject(HELD))
      await eventually(async () => expect(await client.pttl(line.key('limiter'))).toBeGreaterThan(40_000))
    },
  )
})
