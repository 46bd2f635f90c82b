/** Two installations on one Redis with different prefixes see nothing of each other. */
import { afterAll, describe, expect, test } from 'vitest'
import { createChannelSubscriber } from '../../../core/pubsub/channel-subscriber.ts'
import { createQueues } from '../../../core/queue/queues.ts'
import { queuesWithoutWorker, startHeartbeat } from '../../../core/queue/worker-heartbeat.ts'
import { openRedis, type RedisClient } from '../../../core/redis/connect.ts'
import { createKeys, type KeyOptions } from '../../../core/redis/keys.ts'
import { createDeadlineIndex } from '../../../core/store/deadline-index.ts'
import { createFailedRequests } from '../../../core/store/failed-requests.ts'
import { createIdempotency } from '../../../core/store/idempotency-keys.ts'
import { createRequestStore } from '../../../core/store/request-store.ts'
import { eventually } from '../../helpers/eventually.ts'
import { aHash, aRecord, START, TTL_SECONDS } from '../../helpers/record.ts'
import { quiet, useRedis } from '../../helpers/redis.ts'

const { target } = await useRedis()
const QUEUE = { name: 'inquiries' }

async function useInstallation(options: KeyOptions) {
  const connections = await openRedis(target, quiet, options)
  const redis: RedisClient = await connections.connect('patient')
  const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
  const queues = createQueues({ redis, log: quiet, queueList: () => [QUEUE] })
  const channels = createChannelSubscriber({
    redis,
    subscriber: await connections.connect('subscriber'),
    log: quiet,
  })
  afterAll(async () => {
    channels.stop()
    await queues.stop()
    await connections.stop()
  })
  return {
    redis,
    store,
    queues,
    channels,
    deadlineIndex: createDeadlineIndex({ redis }),
    failures: createFailedRequests({ redis }),
    idempotency: createIdempotency({ redis }),
  }
}

const usual = await useInstallation({})
const otherKeys = await useInstallation({ keyPrefix: 'app2:' })
const [one, two] = [usual, otherKeys]

test('by default every key has the name of the contract', () => {
  const names = createKeys({})
  expect(names).toMatchObject({
    queues: 'halfway',
    list: 'local_requests_list',
    deadlines: 'halfway:deadlines',
    workersAlive: 'halfway:workers_alive',
    secret: 'halfway:secret',
    failed: 'halfway:{failed}',
    failedEntries: 'halfway:{failed}:entries',
  })
  expect(names.record('req_x')).toBe('local_request:req_x')
  expect(names.channel('req_x')).toBe('local_request_updates:req_x')
  expect(names.otp('req_x')).toBe('halfway:otp:{local_request:req_x}')
  expect(names.earlyOtp('req_x')).toBe('halfway:early_otp:{local_request:req_x}')
  expect(names.image('req_x')).toBe('halfway:image:{local_request:req_x}')
  expect(names.backup('req_x')).toBe('halfway:backup:{local_request:req_x}')
  expect(names.refusal('slot')).toBe('halfway:refusal:slot')
  expect(names.rateLimit('submit')).toBe('halfway:rate:submit:')
  expect(names.idempotency('a caller', 'a key')).toMatch(/^halfway:idempotency:[\w-]{43}$/)
})

test('every name but those of record, list and channel begins with halfway:, after the prefix', () => {
  const { services, controls, channelsOf, ...others } = createKeys({ keyPrefix: 'app2:' })
  for (const [what, name] of [others, services, controls].flatMap((group) => Object.entries(group))) {
    const text = typeof name === 'string' ? name : (name as (...of: string[]) => string)('a', 'b')
    const isContract = ['record', 'list', 'channel', 'oldSecret'].includes(what)
    expect(text, what).toMatch(isContract ? /^app2:local_request/ : /^app2:halfway/)
  }
  expect(channelsOf('a')).toEqual({ plain: 'app2:local_request_updates:a', sharded: '' })
})

test('in a Cluster all keys of a queue lie in one slot, elsewhere all queues have one prefix', () => {
  expect(createKeys({ keyPrefix: 'a:' }, { isCluster: true }).queue('inquiries')).toBe(
    'a:halfway:{inquiries}',
  )
  expect(createKeys({ keyPrefix: 'a:' }).queue('inquiries')).toBe('a:halfway')
})

describe('with another KEY_PREFIX an installation does not see the other’s', () => {
  test('requests of another installation do not exist', async () => {
    for (const [mine, other] of [
      [one, two],
      [two, one],
    ] as const) {
      const record = aRecord()
      await mine.store.create(record)
      expect(await mine.store.read(record.hash)).not.toBeNull()
      expect(await other.store.read(record.hash)).toBeNull()
      expect(await other.store.apply(record.hash, START)).toMatchObject({ rejection: 'request_not_found' })
      expect(await mine.store.apply(record.hash, START)).toMatchObject({ ok: true })
      expect(await other.store.read(record.hash)).toBeNull()
    }
  })

  test('jobs of another installation are not found', async () => {
    const record = aRecord()
    await one.queues.add(record, { queue: QUEUE })
    await two.queues.add(aRecord(), { queue: QUEUE })
    expect(await two.queues.position(record.hash, QUEUE)).toBeNull()
    await two.queues.remove(record.hash, QUEUE)
    await two.queues.hold(QUEUE, 60_000)
    expect(await one.queues.position(record.hash, QUEUE)).toBe(1)
    expect(await one.redis.exists(`${one.redis.names.queues}:${QUEUE.name}:limiter`)).toBe(0)
    await one.queues.remove(record.hash, QUEUE)
  })

  test('reminders of another installation are not due', async () => {
    const hash = aHash()
    await one.deadlineIndex.schedule(hash, 1000)
    expect(await one.deadlineIndex.take(2000, 10, 2000)).toEqual([hash])
    expect(await two.deadlineIndex.take(2000, 10, 2000)).toEqual([])
    await two.deadlineIndex.remove(hash)
    expect(await one.deadlineIndex.take(2000, 10, 2000)).toEqual([hash])
    await one.deadlineIndex.remove(hash)
  })

  test('failed requests of another installation are not listed', async () => {
    const record = aRecord()
    await one.store.create(record)
    await one.store.apply(record.hash, { type: 'fail', error: { code: 'x', message: 'X', retryable: true } })
    expect(await one.failures.find(record.hash)).not.toBeNull()
    expect(await two.failures.find(record.hash)).toBeNull()
    expect(await two.failures.list()).toEqual([])
  })

  test('Idempotency-Keys of another installation are free', async () => {
    const claim = () => ({ fingerprint: 'x', hash: aHash(), createdAt: 0, keptSeconds: 60, seed: '' })
    const [mine, other] = [claim(), claim()]
    expect(await one.idempotency.claim('a caller', 'key', mine)).toEqual(mine)
    expect(await two.idempotency.find('a caller', 'key')).toBeNull()
    expect(await two.idempotency.claim('a caller', 'key', other)).toEqual(other)
  })

  test('rate limits do not count the calls of another installation', () => {
    for (const limit of ['submit', 'batch', 'action'])
      expect(one.redis.names.rateLimit(limit)).not.toBe(two.redis.names.rateLimit(limit))
  })

  test('heartbeats of the workers of another installation are not seen', async () => {
    const announced = startHeartbeat({ redis: one.redis, takenQueues: () => ['inquiries'], log: quiet })
    const missing = (redis: typeof one.redis) => queuesWithoutWorker(redis, ['inquiries'])
    await eventually(async () => expect(await missing(one.redis)).toEqual([]))
    expect(await missing(two.redis)).toEqual(['inquiries'])
    announced.stop()
    await one.redis.del(one.redis.names.workersAlive, one.redis.names.workersOf('inquiries'))
  })
})

describe('with another KEY_PREFIX', () => {
  test('with another KEY_PREFIX an installation has its own list of requests', async () => {
    const record = aRecord()
    await usual.store.create(record)
    expect(await usual.store.listRecent(10)).toContain(record.hash)
    expect(await otherKeys.store.listRecent(1000)).not.toContain(record.hash)
  })

  test('with another KEY_PREFIX an installation receives no updates of another one, even for the same hash', async () => {
    const record = aRecord()
    const received: string[] = []
    for (const [name, { store, channels }] of Object.entries({ usual, otherKeys })) {
      await store.create(record)
      await channels.subscribe(record.hash, { onMessage: () => void received.push(name), onGap: () => {} })
    }
    await usual.store.apply(record.hash, START)
    await otherKeys.store.apply(record.hash, START)
    await eventually(() => expect(received).toContain('otherKeys'))
    expect(received).toEqual(['usual', 'otherKeys'])
  })
})
