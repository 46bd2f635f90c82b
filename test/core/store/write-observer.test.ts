/** What two processes count of the same requests, added up. */
import { expect, it } from 'vitest'
import { createCatalog } from '../../../core/catalog/catalog.ts'
import type { Command } from '../../../core/domain/command.ts'
import type { RequestRecord } from '../../../core/domain/record.ts'
import { createMetrics } from '../../../core/runtime/metrics.ts'
import { createRequestStore } from '../../../core/store/request-store.ts'
import { createWriteObserver } from '../../../core/store/write-observer.ts'
import { keys } from '../../helpers/keys.ts'
import { type Sample, samplesOf, sumOf } from '../../helpers/metrics.ts'
import { aHash, aRecord, REQUIRE_OTP, START, TTL_SECONDS } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'
import { creditScoreRating } from '../../helpers/services.ts'

const { connections } = await useRedis()
const redis = await connections.connect('patient')
const catalog = createCatalog([creditScoreRating])
const slug = creditScoreRating.slug
const [first, second] = creditScoreRating.steps.map(({ id }) => id) as [string, string]

/** Two stores, as of a server and a worker. Each has a clock that the test sets. */
function useProcesses() {
  const clock = { now: Date.now() }
  const processes = (['server', 'workers'] as const).map((process) => {
    const metrics = createMetrics(process)
    const observer = createWriteObserver(metrics, catalog)
    const store = createRequestStore({
      redis,
      ttlSeconds: TTL_SECONDS,
      now: () => clock.now,
      catalog,
      observer,
    })
    return { metrics, store }
  })
  const [server, worker] = processes.map(({ store }) => store) as [
    (typeof processes)[0]['store'],
    (typeof processes)[0]['store'],
  ]
  return {
    clock,
    server,
    worker,
    async counted(): Promise<Sample[]> {
      const texts = await Promise.all(processes.map(({ metrics }) => metrics.scrape()))
      return texts.flatMap(samplesOf)
    },
  }
}

async function foreignWrite(hash: string, change: Partial<RequestRecord>): Promise<void> {
  const record = JSON.parse((await redis.get(keys.record(hash))) ?? '{}')
  await redis.setex(keys.record(hash), 999, JSON.stringify({ ...record, ...change }))
}

it('each change of a request is counted once, by the process that writes it, from when the request was due', async () => {
  const { clock, server, worker, counted } = useProcesses()
  const runAt = new Date(clock.now + 60_000).toISOString()
  const record = aRecord({ now: clock.now, service: creditScoreRating, run_at: runAt })
  const { hash } = record
  await server.create(record)
  expect(await server.create(record)).toBe(false)
  const after = async (ms: number, store: typeof server, command: Command): Promise<void> => {
    clock.now += ms
    expect(await store.apply(hash, command)).toMatchObject({ ok: true })
  }
  await after(64_000, worker, START)
  await after(0, worker, { type: 'progress', attempt: 1, progress: 10, step: first })
  await after(2_000, worker, REQUIRE_OTP)
  await after(30_000, server, { type: 'submit_otp', otp: '123456' })
  await after(1_000, worker, { type: 'progress', attempt: 1, progress: 50, step: second })
  await after(5_000, worker, REQUIRE_OTP)
  await after(1_000, worker, { type: 'complete', attempt: 1, result: {} })
  expect(await server.apply(hash, { type: 'cancel', by: 'user' })).toMatchObject({
    rejection: 'already_final',
  })

  const samples = await counted()
  const ofService = (name: string, labels = {}) => sumOf(samples, name, { service: slug, ...labels })
  expect(ofService('halfway_requests_created_total')).toBe(1)
  expect(ofService('halfway_requests_ended_total', { status: 'completed' })).toBe(1)
  expect(ofService('halfway_request_queue_seconds_sum')).toBe(4)
  // The second code is not the first one.
  expect(ofService('halfway_request_code_seconds_count')).toBe(1)
  expect(ofService('halfway_request_code_seconds_sum')).toBe(6)
  expect(ofService('halfway_request_duration_seconds_sum', { status: 'completed' })).toBe(43)
  // Without the 30 s that it waited for the code.
  expect(ofService('halfway_request_step_seconds_sum', { step: first })).toBe(3)
  expect(ofService('halfway_request_step_seconds_sum', { step: second })).toBe(5)
  expect(sumOf(samples, 'halfway_writes_refused_total', { reason: 'already_final' })).toBe(1)
  expect(sumOf(samples, 'halfway_foreign_writes_total')).toBe(0)
})

it('a foreign write that both processes read is counted once, and what it says only by fixed words', async () => {
  const { server, worker, counted } = useProcesses()
  const record = aRecord({ service: creditScoreRating })
  await server.create(record)
  await server.apply(record.hash, START)
  const error = { code: 'secret_of_a_bot', message: 'No', retryable: false }
  await foreignWrite(record.hash, { status: 'failed', error_data: error })
  // A request of a service that no bot has announced, with steps of its own, written by another program alone.
  const unknown = aHash()
  const steps = [
    { id: 'made_up', state: 'done', started_at: record.created_at, finished_at: record.created_at },
  ]
  const fields = { service_slug: 'made-up', status: 'completed', steps, created_at: record.created_at }
  await foreignWrite(unknown, fields as Partial<RequestRecord>)
  for (const store of [server, worker, server])
    await Promise.all([record.hash, unknown].map((hash) => store.read(hash)))

  const samples = await counted()
  expect(sumOf(samples, 'halfway_foreign_writes_total')).toBe(2)
  expect(sumOf(samples, 'halfway_requests_failed_total', { service: slug, code: 'other' })).toBe(1)
  expect(sumOf(samples, 'halfway_requests_created_total', { service: 'other' })).toBe(1)
  expect(sumOf(samples, 'halfway_requests_ended_total', { service: 'other', status: 'completed' })).toBe(1)
  expect(sumOf(samples, 'halfway_request_step_seconds_count', { service: 'other', step: 'other' })).toBe(1)
  expect(JSON.stringify(samples)).not.toMatch(/made.up|secret_of/)
})

it('a write that finds a newer record is a conflict, and counts once', async () => {
  const { server, worker, counted } = useProcesses()
  const record = aRecord({ service: creditScoreRating })
  await server.create(record)
  await worker.apply(record.hash, START)
  await server.apply(record.hash, { type: 'cancel', by: 'user' })
  const samples = await counted()
  expect(sumOf(samples, 'halfway_write_conflicts_total')).toBe(1)
  expect(sumOf(samples, 'halfway_requests_ended_total')).toBe(1)
})

it('of a request that no process knows any more only the end is counted', async () => {
  const { server, counted } = useProcesses()
  const record = aRecord({ service: creditScoreRating })
  await server.create(record)
  await server.apply(record.hash, START)
  // As after a minute.
  await redis.del(keys.backup(record.hash))
  const later = useProcesses()
  await foreignWrite(record.hash, { status: 'completed', result_data: {} })
  await later.worker.read(record.hash)
  const samples = [...(await counted()), ...(await later.counted())]
  expect(sumOf(samples, 'halfway_requests_created_total')).toBe(1)
  expect(sumOf(samples, 'halfway_request_queue_seconds_count')).toBe(1)
  expect(sumOf(samples, 'halfway_requests_ended_total')).toBe(1)
})
