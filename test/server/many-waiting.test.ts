/** What a long queue costs: as much as a short one, by the commands and bytes that Redis answers. */
import { beforeAll, describe, expect, it } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { createQueueStats } from '../../core/queue/queue-stats.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { createReadiness } from '../../core/queue/readiness.ts'
import { encodeRecord } from '../../core/records/codec.ts'
import { createMetrics } from '../../core/runtime/metrics.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import { openLiveCatalog } from '../../core/store/live-catalog.ts'
import { createServiceRegistry } from '../../core/store/service-registry.ts'
import { createUnfinishedLimiter } from '../../core/store/unfinished-limits.ts'
import { createStateMetrics } from '../../server/state-metrics.ts'
import { announceServices } from '../helpers/announced.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { useCli } from '../helpers/cli.ts'
import { ADMIN_TOKEN, useConsole } from '../helpers/console.ts'
import { aRecord, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { type RedisCost, redisCost } from '../helpers/redis-cost.ts'
import { useRequests } from '../helpers/requests.ts'
import { CREDIT_SCORE } from '../helpers/server.ts'
import { catalog, creditScoreRating } from '../helpers/services.ts'

const redis = await useRedis()
const { client, store } = await useRequests(redis)
await announceServices(client)
const console = await useConsole(redis, { ADMIN_TOKEN })
const cookie = await console.signIn()
const cli = useCli(redis)
const queueList = () => queuesOf(catalog)
const queues = createQueues({ redis: client, log: quiet, queueList })
const queueStats = createQueueStats({ redis: client, store, log: quiet, queues: queueList })
const live = await openLiveCatalog({
  registry: createServiceRegistry({ redis: client }),
  log: quiet,
  now: Date.now,
})
const limits = { maxUnfinishedPerSubmitter: 1e6, maxUnfinishedPerQueue: 1e6, maxUnfinished: 1e6 }
const limiter = createUnfinishedLimiter({ redis: client, limits, ttlSeconds: TTL_SECONDS, now: Date.now })
cleanUp(async () => {
  live.stop()
  await Promise.all([queues.stop(), queueStats.stop()])
})

/** More than a page of the console shows. */
const FEW = 250
const MANY = 5_000

const waiting: string[] = []
async function fill(count: number): Promise<void> {
  const records = Array.from({ length: count - waiting.length }, () =>
    aRecord({ service: creditScoreRating, submitter: `person-${waiting.length}` }),
  )
  await Promise.all(records.map(limiter.reserve))
  await Promise.all(records.map(store.create))
  await Promise.all(records.map((record) => queues.add(record, creditScoreRating)))
  waiting.push(...records.map(({ hash }) => hash))
}

const submit = () => console.api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)
const page = (path: string) =>
  console.api.get(path).set('Cookie', cookie).set('Accept', 'text/html').expect(200)
const metricsOf = () =>
  createStateMetrics({
    metrics: createMetrics('server'),
    redis: client,
    catalog: live,
    controls: console.controls,
    queueStats,
    log: quiet,
    now: Date.now,
  })()

const PATHS: Record<string, () => Promise<unknown>> = {
  'a submit': submit,
  'a status with its place in the queue': () =>
    console.api.get(`/api/local-requests/${waiting[FEW / 2]}/status`).expect(200),
  list: () => cli.run('list'),
  queues: () => cli.run('queues'),
  'the Now page': () => page('/admin'),
  'the page of requests': () => page('/admin/requests'),
  'the second page of requests': () => page('/admin/requests?from=100'),
  'the page of queues': () => page('/admin/queues'),
  'the metrics': metricsOf,
  'the readiness check': () =>
    createReadiness({ redis: client, queues: () => queueList().map(({ name }) => name) }).check(),
  'the unfinished requests of doctor': () => createDeadlineIndex({ redis: client }).count(),
}

describe.runIf(onRealRedis)('with 5,000 waiting requests', () => {
  const withFew = new Map<string, RedisCost>()
  let running: string

  beforeAll(async () => {
    await fill(FEW)
    running = await console.given([START])
    await client.lpush(`${client.names.queues}:${creditScoreRating.queue.name}:active`, running)
    for (const [name, call] of Object.entries(PATHS)) withFew.set(name, await redisCost(client, call))
    await fill(MANY)
  })

  it.each(Object.keys(PATHS))('%s costs as much as with 250', async (name) => {
    const { commands, bytes } = await redisCost(client, PATHS[name] as () => Promise<unknown>)
    const few = withFew.get(name) as RedisCost
    expect(commands).toBeLessThanOrEqual(few.commands + 10)
    expect(bytes).toBeLessThanOrEqual(1.2 * few.bytes + 1_000)
  })

  it('the oldest request of a queue is found, although it runs last', async () => {
    const old = aRecord({ service: creditScoreRating, now: Date.now() - 600_000, priority: 10 })
    await limiter.reserve(old)
    await store.create(old)
    await queues.add(old, creditScoreRating)
    expect(await queues.position(old.hash, creditScoreRating.queue)).toBeGreaterThan(MANY)
    const states = await queueStats.read()
    const seconds = states.find(({ queue }) => queue === creditScoreRating.queue.name)?.oldest_seconds
    expect(seconds).toBeGreaterThanOrEqual(600)
    await Promise.all([
      store.apply(old.hash, { type: 'cancel', by: 'user' }),
      queues.remove(old.hash, creditScoreRating.queue),
    ])
  })

  it('a list of the few that run names them, and reads 2,000 records at most', async () => {
    const run = () => cli.run('list', '--status', 'processing')
    expect((await run()).out).toContain(running)
    expect((await run()).err).toContain('--all')
    const record = await client.strlen(client.names.record(waiting[0] as string))
    expect((await redisCost(client, run)).bytes).toBeLessThan(2_000 * (record + 50) + 100_000)
  })

  it('list --all finds the oldest of all requests, and cleanup no leftovers among them', async () => {
    const old = aRecord({ service: { ...creditScoreRating, slug: 'an-old-service' } })
    await client.set(client.names.record(old.hash), encodeRecord(old), 'EX', 100)
    await client.rpush(client.names.list, old.hash)
    expect((await cli.run('list', '--service', old.service_slug)).out).not.toContain(old.hash)
    expect((await cli.run('list', '--service', old.service_slug, '--all')).out).toContain(old.hash)
    expect((await cli.run('cleanup', '--dry-run')).out).toBe('There is nothing to clean up.\n')
  })
})
