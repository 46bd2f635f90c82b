/** Jobs queued, 250 at a time. */
import { type MeasuredProcess, startContender } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import { compare, type Row } from './report.ts'

const JOBS_PER_ROUND = 3_000
const ROUNDS = { warmUp: 3, rounds: 14 }

export async function queue(redis: BenchRedis): Promise<Row[]> {
  const env = { REDIS_URL: redis.url }
  const [halfway, bare] = await Promise.all([
    startContender('queue-halfway', env),
    startContender('queue-bare', env),
  ])
  const jobsPerSecond = (contender: MeasuredProcess) => async (): Promise<number> => {
    const rate = await contender.call<number>('add', JOBS_PER_ROUND)
    await redis.client.flushall()
    return rate
  }
  const row = { what: 'jobs queued a second', unit: '/s', beside: 'bare BullMQ', target: { min: 0.9 } }
  const contenders = { halfway: jobsPerSecond(halfway), other: jobsPerSecond(bare) }
  const measured = await compare(row, ROUNDS, contenders)
  for (const contender of [halfway, bare]) await contender.stop()
  return [measured]
}
