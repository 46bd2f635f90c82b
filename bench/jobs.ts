/** The queue: requests taken in, worked on, and how soon. */
import { measureReaching } from './jobs/reaching.ts'
import { measureTaking } from './jobs/taking.ts'
import { measureWorking } from './jobs/working.ts'
import { startRedis } from './measure/redis.ts'
import type { Section } from './measure/report.ts'

export async function jobs(how: { rounds: number; seconds: number }): Promise<Section> {
  const redis = await startRedis()
  const rows = [
    ...(await measureTaking(redis, how)),
    ...(await measureWorking(redis, how)),
    ...(await measureReaching(redis, how)),
  ]
  await redis.stop()
  return { name: 'jobs', title: 'Jobs; a record and a job by hand, BullMQ alone', rows }
}
