/** The queue: requests taken in, worked on, and how soon. */
import { measureReaching } from './jobs/reaching.ts'
import { measureTaking } from './jobs/taking.ts'
import { measureWorking } from './jobs/working.ts'
import { startRedis } from './measure/redis.ts'
import type { Section } from './measure/report.ts'

interface How {
  taking: { rounds: number; seconds: number }
  rounds: number
}

export async function jobs({ taking, rounds }: How): Promise<Section> {
  const redis = await startRedis()
  const rows = [
    ...(await measureTaking(redis, taking)),
    ...(await measureWorking(redis, { rounds })),
    ...(await measureReaching(redis, { rounds })),
  ]
  await redis.stop()
  return { name: 'jobs', title: 'Jobs; a record and a job by hand, BullMQ alone', rows }
}
