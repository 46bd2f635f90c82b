/** A bot that reports its progress the plain way: reads the record, changes it, writes it back, and publishes it. */
import { Redis } from 'ioredis'
import { ready } from '../measure/meter.ts'
import { type Writing, writeAlong } from '../measure/writing.ts'
import { SERVICE, TTL_SECONDS } from '../requests.ts'

const redis = new Redis(process.env.REDIS_URL as string)
const step = SERVICE.steps[2]?.id

async function updateProgress(hash: string, progress: number, message: string): Promise<void> {
  const record = JSON.parse((await redis.get(`local_request:${hash}`)) as string)
  record.progress = progress
  record.step = step
  record.current_message = message
  record.version += 1
  record.updated_at = new Date().toISOString()
  const json = JSON.stringify(record)
  await redis.setex(`local_request:${hash}`, TTL_SECONDS, json)
  await redis.publish(`local_request_updates:${hash}`, json)
}

ready({
  run: (writing: Writing) =>
    writeAlong(writing, (hash, count) => updateProgress(hash, 50, `message ${count}`)),
})
