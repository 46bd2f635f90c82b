/** 10,000 requests in ten calls; every process is restarted twice during them. */
import { expect, test } from 'vitest'
import './fault-meta.ts'
import type { RequestRecord } from '../../core/domain/record.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { useRedis } from '../helpers/redis.ts'
import { startInstallation } from './installation.ts'
import { countRuns } from './people.ts'
import { toRequestData } from './scripted.ts'

const redis = await useRedis()

const REQUESTS = 10_000
const A_BATCH = 1_000
const SCRIPT = { kind: 'plain', steps: 1, everyMs: 0 } as const

interface BatchAnswer {
  accepted: number
  requests: { hash: string }[]
}

test('a batch of 10,000 is accepted and finished although every process is restarted and killed during it', {
  timeout: 600_000,
}, async (ctx) => {
  const halfway = await startInstallation(ctx, {
    settings: { REDIS_URL: redis.url, LOG_LEVEL: 'info', BATCHES_PER_MINUTE: '1000' },
    servers: 2,
    workers: 2,
  })
  const client = await redis.connections.connect('patient')
  const used = async (): Promise<number> =>
    Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]) / 1024 / 1024
  const before = await used()

  const startedAt = performance.now()
  const seconds = (): number => (performance.now() - startedAt) / 1000
  const hashes: string[] = []
  for (let i = 0; i < REQUESTS / A_BATCH; i++) {
    const requests = Array.from({ length: A_BATCH }, () => ({
      service_slug: 'credit-score-rating',
      request_data: toRequestData(SCRIPT),
    }))
    const answer = await fetch(`${halfway.urls[i % 2]}/api/local-requests`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': `batch-${i}` },
      body: JSON.stringify({ requests }),
    })
    const { accepted, requests: taken } = (await answer.json()) as BatchAnswer
    expect({ status: answer.status, accepted }).toEqual({ status: 202, accepted: A_BATCH })
    hashes.push(...taken.map(({ hash }) => hash))
  }
  const acceptedAfter = seconds()
  const fullest = await used()
  expect(new Set(hashes).size).toBe(REQUESTS)

  const unfinished = async (): Promise<number> => {
    const counts = await Promise.all([
      client.zcard('halfway:inquiries:prioritized'),
      client.llen('halfway:inquiries:wait'),
      client.llen('halfway:inquiries:active'),
      client.zcard('halfway:inquiries:delayed'),
    ])
    return counts.reduce((sum, count) => sum + count, 0)
  }
  const members = [...halfway.servers, ...halfway.workers, ...halfway.bots]
  const restart = async (left: number, signal: NodeJS.Signals): Promise<void> => {
    await eventually(async () => expect(await unfinished()).toBeLessThan(left), {
      withinMs: 300_000,
      everyMs: 200,
    })
    expect(await unfinished()).toBeGreaterThan(left / 2)
    await Promise.all(members.map((member) => member.kill(signal)))
    await Promise.all(members.map((member) => member.up()))
  }
  await restart((REQUESTS * 2) / 3, 'SIGTERM')
  await restart(REQUESTS / 3, 'SIGKILL')
  await eventually(async () => expect(await unfinished()).toBe(0), { withinMs: 300_000, everyMs: 200 })
  const finishedAfter = seconds()

  const records: RequestRecord[] = []
  for (const hash of hashes) records.push(JSON.parse((await client.get(keys.record(hash))) ?? '{}'))
  const completed = records.filter(({ status }) => status === 'completed').length
  const again = [...countRuns(halfway).values()].filter((runs) => runs > 1).length
  ctx.task.meta.fault = {
    name: 'a batch of 10,000, all restarted, then all killed',
    requests: REQUESTS,
    survived: completed,
    note: [
      `taken in ${acceptedAfter.toFixed(1)} s, done after ${finishedAfter.toFixed(0)} s`,
      `${(fullest - before).toFixed(0)} MB in Redis when all were taken`,
      `${again} started again`,
    ].join('; '),
  }
  expect(completed).toBe(REQUESTS)
})

test('scheduled requests start on time and never early although every process was killed after the submit', {
  timeout: 120_000,
}, async (ctx) => {
  const halfway = await startInstallation(ctx, { settings: { REDIS_URL: redis.url, LOG_LEVEL: 'info' } })
  const client = await redis.connections.connect('patient')
  const requests = Array.from({ length: 100 }, (_, i) => ({
    service_slug: 'credit-score-rating',
    request_data: toRequestData(SCRIPT),
    delay: 8 + (i % 5),
  }))
  const answer = await fetch(`${halfway.urls[0]}/api/local-requests`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ requests }),
  })
  const { accepted, requests: taken } = (await answer.json()) as BatchAnswer
  expect(accepted).toBe(requests.length)
  const members = [...halfway.servers, ...halfway.workers, ...halfway.bots]
  await Promise.all(members.map((member) => member.kill('SIGKILL')))
  await Promise.all(members.map((member) => member.up()))

  const recordOf = async ({ hash }: { hash: string }): Promise<RequestRecord> =>
    JSON.parse((await client.get(keys.record(hash))) ?? '{}')
  const records = await eventually(
    async () => {
      const all = await Promise.all(taken.map(recordOf))
      expect(all.filter(({ status }) => status !== 'completed')).toEqual([])
      return all
    },
    { withinMs: 60_000, everyMs: 200 },
  )
  const late = records.map(
    ({ started_at, run_at }) => Date.parse(started_at ?? '') - Date.parse(run_at ?? ''),
  )
  ctx.task.meta.fault = {
    name: 'scheduled, then all killed',
    requests: records.length,
    survived: late.filter((ms) => ms >= 0).length,
    note: `started ${Math.round(Math.max(...late))} ms after their time at most`,
  }
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...late)).toBeLessThan(4000)
})
