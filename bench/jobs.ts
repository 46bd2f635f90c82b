/** The queue: requests taken in, worked on, and how soon. */
import { measureReaching } from './jobs/reaching.ts'
import { measureTaking } from './jobs/taking.ts'
import { measureWorking } from './jobs/working.ts'
import { startRedis } from './measure/redis.ts'
import type { Section } from './measure/report.ts'

interface How {
  taking: { rounds: number; seconds: number }
  working: { rounds: number }
  reaching: { rounds: number }
}

export async function jobs({ taking, working, reaching }: How): Promise<Section> {
  const redis = await startRedis()
  const rows = [
    ...(await measureTaking(redis, taking)),
    ...(await measureWorking(redis, working)),
    ...(await measureReaching(redis, reaching)),
  ]
  await redis.stop()
  return { name: 'jobs', title: 'Jobs; a record and a job by hand, BullMQ alone', rows }
}
