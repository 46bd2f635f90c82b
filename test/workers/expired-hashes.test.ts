/** What is left of a request after its record has expired. */
import { expect, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { startRemovingExpired } from '../../workers/expired-hashes.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { useRequests } from '../helpers/requests.ts'
import { catalog } from '../helpers/services.ts'

const { client, given } = await useRequests(await useRedis())
const queues = createQueues({ redis: client, log: quiet, queueList: () => queuesOf(catalog) })
cleanUp(() => queues.stop())

/** With an event of its queue that is so old. */
async function listed(agoMs: number): Promise<string> {
  const { record } = await given()
  const id = `${Date.now() - agoMs}-0`
  await client.xadd('halfway:crawls:events', id, 'event', 'completed', 'jobId', record.hash)
  return record.hash
}

test('the hash of an expired request leaves the list and the events of its queue, those of others stay', async () => {
  const expired = await listed(3_600_000)
  const present = await listed(1_000)
  await client.del(client.names.record(expired))
  await client.zrem(client.names.deadlines, expired)
  const { stop } = startRemovingExpired({
    redis: client,
    queues,
    ttlSeconds: 1800,
    log: quiet,
    now: Date.now,
    everyMs: 5,
  })
  cleanUp(stop)
  await eventually(async () => expect(await redisContents(client)).not.toContain(expired))
  expect(await client.lrange(client.names.list, 0, -1)).toEqual([present])
  expect(await redisContents(client, '*events')).toContain(present)
})
