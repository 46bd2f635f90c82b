/** Status answers of one server over 64 connections, each of which asks again as soon as it is answered. */
import { createHistogram } from 'node:perf_hooks'
import { Client } from 'undici'
import { type MeasuredServer, startContenderServer, startHalfway } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import type { Row } from './report.ts'
import { seed } from './requests.ts'
import { alternate } from './rounds.ts'

const CONNECTIONS = 64
const RECORDS = 1_000
const MANY_RECORDS = 100_000
const MS_PER_ROUND = 200
const ROUNDS = { warmUp: 5, rounds: 13 }

export async function status(redis: BenchRedis): Promise<Row[]> {
  const many = await seed(redis.client, MANY_RECORDS)
  const few = many.slice(0, RECORDS)
  const env = { REDIS_URL: redis.url }
  const [halfway, express, bare] = await Promise.all([
    startHalfway(env),
    startContenderServer('status-express', env),
    startContenderServer('status-bare', env),
  ])
  const p50 = { few: [] as number[], many: [] as number[] }
  const answersPerCpuSecond = (server: MeasuredServer, hashes: string[], latencies?: number[]) => {
    const poll = createPoll(server.url, hashes)
    return async (): Promise<number> => {
      const before = await server.cpu()
      const { answers, p50Ms } = await poll()
      latencies?.push(p50Ms)
      return (answers / ((await server.cpu()) - before)) * 1_000_000
    }
  }
  const measured = await alternate(ROUNDS, {
    express: answersPerCpuSecond(express, few),
    halfway: answersPerCpuSecond(halfway, few, p50.few),
    many: answersPerCpuSecond(halfway, many, p50.many),
    bare: answersPerCpuSecond(bare, few),
  })
  for (const server of [halfway, express, bare]) await server.stop()
  const answers = { what: 'status answers a second of CPU', unit: '/s', halfway: measured.halfway }
  return [
    { ...answers, beside: 'Express + GET', other: measured.express, target: { min: 3 } },
    { ...answers, beside: 'bare node:http + ioredis', other: measured.bare, target: { min: 0.85 } },
    {
      what: 'p50 of a status answer, 100,000 records',
      unit: 'ms',
      halfway: p50.many.slice(ROUNDS.warmUp),
      beside: '1,000 records',
      other: p50.few.slice(ROUNDS.warmUp),
      target: { max: 1.1 },
    },
  ]
}

/** Opens the connections of one server. @returns what polls over them for one round */
function createPoll(url: string, hashes: string[]): () => Promise<{ answers: number; p50Ms: number }> {
  const clients = Array.from({ length: CONNECTIONS }, () => new Client(url))
  let next = 0
  return async () => {
    const latencies = createHistogram()
    const end = performance.now() + MS_PER_ROUND
    const pollOn = (client: Client): Promise<void> =>
      new Promise((resolve, reject) => {
        let sentAt = 0
        const send = (): void => {
          sentAt = performance.now()
          const path = `/api/local-requests/${hashes[next++ % hashes.length]}/status`
          client.dispatch({ method: 'GET', path }, handler)
        }
        // `dispatch` instead of `request` or `fetch`: the load generator must not be slower than the servers.
        const handler = {
          onRequestStart() {},
          onResponseStart(_controller: unknown, code: number) {
            if (code !== 200) reject(new Error(`status code ${code}`))
          },
          onResponseData() {},
          onResponseEnd() {
            const now = performance.now()
            latencies.record(Math.max(1, Math.round((now - sentAt) * 1000)))
            if (now < end) send()
            else resolve()
          },
          onResponseError: (_controller: unknown, error: Error) => reject(error),
        }
        send()
      })
    await Promise.all(clients.map(pollOn))
    return { answers: latencies.count, p50Ms: latencies.percentile(50) / 1000 }
  }
}
