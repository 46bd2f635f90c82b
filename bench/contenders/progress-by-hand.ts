/** A bot that reports progress by hand: it reads the record, changes it, writes it back and publishes it. */
import { Redis } from 'ioredis'
import { ready, writeFor } from '../agent.ts'
import { PROGRESS, STEP, TTL_SECONDS } from '../requests.ts'

const redis = new Redis(process.env.REDIS_URL as string)

async function updateProgress(hash: string, message: string): Promise<void> {
  const record = JSON.parse((await redis.get(`local_request:${hash}`)) as string)
  record.progress = PROGRESS
  record.step = STEP
  record.current_message = message
  record.version += 1
  record.updated_at = new Date().toISOString()
  const json = JSON.stringify(record)
  await redis.setex(`local_request:${hash}`, TTL_SECONDS, json)
  await redis.publish(`local_request_updates:${hash}`, json)
}

ready({ write: (hashes: string[], ms: number) => writeFor(hashes, ms, updateProgress) })
