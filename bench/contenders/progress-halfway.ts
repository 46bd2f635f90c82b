/** A bot that reports progress with Halfway's updater. */
import { createUpdater } from '../../bots/updater.ts'
import { ready } from '../agent.ts'
import { PROGRESS, STEP, TTL_SECONDS } from '../requests.ts'
import { writeFor } from './write-for.ts'

const updater = await createUpdater({ redis: process.env.REDIS_URL as string, ttlSeconds: TTL_SECONDS })

ready({
  write: (hashes: string[], ms: number) =>
    writeFor(hashes, ms, (hash, message) => updater.updateProgress(hash, PROGRESS, STEP, message)),
})
