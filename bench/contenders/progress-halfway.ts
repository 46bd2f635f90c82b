/** A bot that reports progress with Halfway's updater. */
import { createUpdater } from '../../bots/updater.ts'
import { ready, writeFor } from '../agent.ts'
import { PROGRESS, STEP, TTL_SECONDS } from '../requests.ts'

const { REDIS_URL = '', DATA_KEY } = process.env
const dataKeys = DATA_KEY ? [Buffer.from(DATA_KEY, 'base64')] : []
const updater = await createUpdater({ redis: REDIS_URL, ttlSeconds: TTL_SECONDS, connections: { dataKeys } })

ready({
  write: (hashes: string[], ms: number) =>
    writeFor(hashes, ms, (hash, message) => updater.updateProgress(hash, PROGRESS, STEP, message)),
})
