/** Status answers of one server over 64 connections, each of which asks again as soon as it is answered. */
import { Agent, request } from 'undici'
import { type MeasuredServer, startContenderServer, startHalfway } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import { alternate, median, type Row } from './report.ts'
import { seed } from './requests.ts'

const CONNECTIONS = 64
const RECORDS = 1_000
const MANY_RECORDS = 100_000
const MS_PER_ROUND = 200
const ROUNDS = { warmUp: 5, rounds: 13 }

export async function status(redis: BenchRedis): Promise<Row[]> {
  const many = await seed(redis.client, MANY_RECORDS)
  const few = many.slice(0, RECORDS)
  const env = { REDIS_URL: redis.url }
  const [halfway, express] = [await startHalfway(env), await startContenderServer('status-express', env)]
  const p50 = { few: [] as number[], many: [] as number[] }
  const dispatcher = new Agent({ connections: CONNECTIONS })
  /** @returns of each answer how long it took, in milliseconds */
  const poll = async ({ url }: MeasuredServer, hashes: string[]): Promise<number[]> => {
    const latencies: number[] = []
    const end = performance.now() + MS_PER_ROUND
    const pollAgain = async (): Promise<void> => {
      while (performance.now() < end) {
        const sentAt = performance.now()
        const hash = hashes[Math.floor(Math.random() * hashes.length)]
        const { statusCode, body } = await request(`${url}/api/local-requests/${hash}/status`, { dispatcher })
        if (statusCode !== 200) throw new Error(`status code ${statusCode}`)
        await body.dump()
        latencies.push(performance.now() - sentAt)
      }
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, pollAgain))
    return latencies
  }
  const answersPerCpuSecond =
    (server: MeasuredServer, hashes: string[], p50s: number[] = []) =>
    async (): Promise<number> => {
      const before = await server.cpu()
      const latencies = await poll(server, hashes)
      p50s.push(median(latencies))
      return (latencies.length / ((await server.cpu()) - before)) * 1_000_000
    }
  const measured = await alternate(ROUNDS, {
    express: answersPerCpuSecond(express, few),
    halfway: answersPerCpuSecond(halfway, few, p50.few),
    many: answersPerCpuSecond(halfway, many, p50.many),
  })
  for (const server of [halfway, express]) await server.stop()
  await dispatcher.close()
  return [
    {
      what: 'status answers a second of CPU',
      unit: '/s',
      halfway: measured.halfway,
      beside: 'Express + GET',
      other: measured.express,
      target: { min: 2.5 },
    },
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
