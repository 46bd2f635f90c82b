/**
 * The time of Redis, for every time of a request: keys expire by the clock of Redis, so the times in a record are counted
 * by the same one, whatever the machine's clock says. It is measured on every connect and every 30 seconds; in between it
 * continues by the monotonic clock, so that setting the machine's clock changes nothing.
 */
import type { Log } from '../runtime/log.ts'
import type { RedisClient } from './connect.ts'

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  stop(): void
}

const INTERVAL_MS = 30_000
/** A slower answer is too inexact to replace an earlier one. */
const MAX_ROUND_TRIP_MS = 1000
const WARN_FROM_MS = 2000

/** Resolves after the first measurement. If that fails, the machine's clock is used until one succeeds. */
export async function startClock({
  redis,
  log,
  everyMs = INTERVAL_MS,
}: {
  redis: RedisClient
  log: Log
  everyMs?: number
}): Promise<Clock> {
  /** Added to the monotonic clock, it gives the time since 1970. */
  let offsetMs = Date.now() - performance.now()
  let isMeasured = false
  let isWarned = false

  async function measure(): Promise<void> {
    const sent = performance.now()
    const [seconds, micros] = await redis.time()
    const answered = performance.now()
    if (isMeasured && answered - sent > MAX_ROUND_TRIP_MS) return
    offsetMs = Number(seconds) * 1000 + Number(micros) / 1000 - (sent + answered) / 2
    isMeasured = true
    const offMs = Math.round(Date.now() - performance.now() - offsetMs)
    if (isWarned || Math.abs(offMs) < WARN_FROM_MS) return
    isWarned = true
    log.warn({ off_ms: offMs }, "this machine's clock differs from that of Redis, which requests use")
  }
  const update = (): Promise<void> =>
    measure().catch((error: unknown) => log.debug({ err: error }, 'could not read the time of Redis'))

  await update()
  // After a fail-over another machine has the time.
  const onReady = (): void => void update()
  redis.on('ready', onReady)
  const timer = setInterval(onReady, everyMs).unref()
  return {
    now: () => Math.round(performance.now() + offsetMs),
    stop() {
      clearInterval(timer)
      redis.off('ready', onReady)
    },
  }
}
