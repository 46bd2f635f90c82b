/** Jobs queued, 250 at a time. */
import { type MeasuredProcess, startContender } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import type { Row } from './report.ts'
import { alternate } from './rounds.ts'

const JOBS_PER_ROUND = 3_000
const ROUNDS = { warmUp: 6, rounds: 20 }

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
  const measured = await alternate(ROUNDS, { halfway: jobsPerSecond(halfway), bare: jobsPerSecond(bare) })
  for (const contender of [halfway, bare]) await contender.stop()
  return [
    {
      what: 'jobs queued a second',
      unit: '/s',
      halfway: measured.halfway,
      beside: 'bare BullMQ',
      other: measured.bare,
      target: { min: 0.9 },
    },
  ]
}
