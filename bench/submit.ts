/** Requests submitted over HTTP, one after the other: how soon the submit is answered. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type MeasuredServer, startContenderServer, startHalfway } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import { compare, median, type Row } from './report.ts'
import { REQUEST_DATA, SERVICE } from './requests.ts'

const SUBMITS_PER_ROUND = 15
const PAUSE_MS = 5
const ROUNDS = { warmUp: 5, rounds: 13 }
const BATCH = 1_000
const BATCH_ROUNDS = { warmUp: 2, rounds: 7 }
const REQUEST = { service_slug: SERVICE.slug, request_data: REQUEST_DATA }
/** The settings that would refuse this many requests of one submitter. */
export const UNLIMITED = Object.fromEntries(
  [
    'SUBMITS_PER_MINUTE',
    'BATCHES_PER_MINUTE',
    'SUBJECT_CODES_PER_HOUR',
    'MAX_UNFINISHED_PER_SUBMITTER',
    'MAX_UNFINISHED_PER_QUEUE',
    'MAX_UNFINISHED',
  ].map((setting) => [setting, '1000000']),
)

export async function submit(redis: BenchRedis): Promise<Row[]> {
  const env = { REDIS_URL: redis.url }
  const [halfway, byHand] = await Promise.all([
    startHalfway({ ...env, ...UNLIMITED }),
    startContenderServer('submit-by-hand', env),
  ])
  const perSecond = (server: MeasuredServer) => async (): Promise<number> => {
    const sentAt = performance.now()
    await submitBatches(server.url, BATCH)
    return (BATCH / (performance.now() - sentAt)) * 1000
  }
  const beside = 'Express + by hand'
  const rows = [
    await compare({ what: 'submit until answered, p50', unit: 'ms', beside, target: { max: 1.1 } }, ROUNDS, {
      halfway: p50Ms(() => submitOne(halfway.url)),
      other: p50Ms(() => submitOne(byHand.url)),
    }),
    await compare(
      { what: 'requests a second in batches of 1,000', unit: '/s', beside, target: { min: 1 } },
      BATCH_ROUNDS,
      { halfway: perSecond(halfway), other: perSecond(byHand) },
    ),
  ]
  for (const server of [halfway, byHand]) await server.stop()
  return rows
}

/** The median of some calls. Each reaches a server that has finished the one before. */
export const p50Ms = (call: () => Promise<void>) => async (): Promise<number> => {
  const latencies: number[] = []
  for (let i = 0; i < SUBMITS_PER_ROUND; i++) {
    const sentAt = performance.now()
    await call()
    latencies.push(performance.now() - sentAt)
    await sleep(PAUSE_MS)
  }
  return median(latencies)
}

async function post(url: string, body: unknown): Promise<void> {
  const response = await fetch(`${url}/api/local-requests`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`)
  await response.arrayBuffer()
}

export const submitOne = (url: string): Promise<void> => post(url, REQUEST)

/** Submits this many requests in batches of 1,000. */
export async function submitBatches(url: string, count: number): Promise<void> {
  for (let i = 0; i < count / 1000; i++) await post(url, { requests: Array(1000).fill(REQUEST) })
}
