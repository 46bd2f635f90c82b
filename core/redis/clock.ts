/**
 * The time of Redis, for every time of a request: keys expire by Redis' clock, so what is promised in a record must be
 * counted by the same one, whatever the clock of the machine says.
 *
 * Between two measurements it goes on by the monotonic clock: somebody who sets the machine's clock moves nothing here.
 */
import type { Log } from '../runtime/log.ts'
import type { RedisClient } from './connect.ts'

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  stop(): void
}

/** Quartz is off by a few milliseconds in this time at most. */
const INTERVAL_MS = 30_000
const TRIES = 3
/** An answer that took longer tells the time too badly to replace an earlier one. */
const SLOWEST_ROUND_TRIP_MS = 1000
/** The machine's clock was set, or the machine slept and the monotonic clock with it. */
const JUMP_MS = 500
const WARN_FROM_MS = 2000

/** Resolves after the first measurement; without one (Redis has just gone) it begins with the machine's clock. */
export async function startClock({
  redis,
  log,
  everyMs = INTERVAL_MS,
}: {
  redis: RedisClient
  log: Log
  everyMs?: number
}): Promise<Clock> {
  /** What the monotonic clock lacks to the time since 1970: by the machine's clock, and by that of Redis. */
  const machine = (): number => Date.now() - performance.now()
  let machineThen = machine()
  let offsetMs = machineThen
  let measured = false
  let warned = false
  let measuring: Promise<void> | null = null

  const measureOnce = async (): Promise<{ offsetMs: number; roundTripMs: number }> => {
    const sent = performance.now()
    const [seconds, micros] = await redis.time()
    const answered = performance.now()
    const timeMs = Number(seconds) * 1000 + Number(micros) / 1000
    return { offsetMs: timeMs - (sent + answered) / 2, roundTripMs: answered - sent }
  }

  const measure = async (): Promise<void> => {
    machineThen = machine()
    try {
      let best = await measureOnce()
      for (let tries = 1; tries < TRIES; tries++) {
        const next = await measureOnce()
        if (next.roundTripMs < best.roundTripMs) best = next
      }
      if (measured && best.roundTripMs > SLOWEST_ROUND_TRIP_MS) return
      offsetMs = best.offsetMs
      measured = true
    } catch (error) {
      return log.debug({ err: error }, 'could not ask Redis for the time; the last answer goes on')
    }
    const offMs = Math.round(machine() - offsetMs)
    if (warned || Math.abs(offMs) < WARN_FROM_MS) return
    warned = true
    log.warn({ off_ms: offMs }, "this machine's clock is not that of Redis; requests keep to that of Redis")
  }
  const measureAgain = (): Promise<void> => {
    measuring ??= measure().finally(() => {
      measuring = null
    })
    return measuring
  }

  // After a failover another machine tells the time.
  const onReady = (): void => void measureAgain()
  await measureAgain()
  redis.on('ready', onReady)
  const timer = setInterval(onReady, everyMs).unref()

  return {
    now() {
      if (Math.abs(machine() - machineThen) > JUMP_MS) void measureAgain()
      return Math.round(performance.now() + offsetMs)
    },
    stop() {
      clearInterval(timer)
      redis.off('ready', onReady)
    },
  }
}
