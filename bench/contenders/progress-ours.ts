/** A bot that reports its progress through Halfway's updater. */
import { createUpdater } from '../../bots/updater.ts'
import { ready } from '../measure/meter.ts'
import { type Writing, writeAlong } from '../measure/writing.ts'
import { SERVICE, TTL_SECONDS } from '../requests.ts'

const updater = await createUpdater({ redis: process.env.REDIS_URL as string, ttlSeconds: TTL_SECONDS })
const step = SERVICE.steps[2]?.id

ready({
  run: (writing: Writing) =>
    writeAlong(writing, (hash, count) => updater.updateProgress(hash, 50, step, `message ${count}`)),
})
