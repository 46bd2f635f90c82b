/** When a request runs and its priority, as its submitter asks for. */
import { z } from 'zod'
import { PRIORITIES } from '../core/catalog/service-definition.ts'
import type { FieldError } from '../core/domain/errors.ts'

/** Unvalidated input. */
export interface ScheduleOptions {
  /** Seconds from now. */
  delay?: unknown
  /** A time, ISO 8601. */
  run_at?: unknown
  /** 1 is the most urgent. */
  priority?: unknown
}

export interface ScheduleLimits {
  maxDelaySeconds: number
  topPriority: number
}

export interface Schedule {
  /** Milliseconds since 1970; null: immediately. */
  runAt: number | null
  /** Undefined: the service's priority. */
  priority: number | undefined
}

const time = z.iso.datetime({ offset: true })
/** How far a `run_at` may lie in the past: a submitter who means now may have a slow clock. */
const LATE_MS = 60_000

/** Reports every invalid option. A null option counts as absent. */
export function readSchedule(
  { delay, run_at, priority }: ScheduleOptions,
  { maxDelaySeconds, topPriority }: ScheduleLimits,
  now: number,
): Schedule & { errors: FieldError[] } {
  const errors: FieldError[] = []
  const wholeNumber = (field: string, given: unknown, min: number, max: number): number | undefined => {
    if (given === undefined || given === null) return undefined
    if (Number.isInteger(given) && Number(given) >= min && Number(given) <= max) return Number(given)
    errors.push({ field, code: 'out_of_range', params: { min, max } })
    return undefined
  }

  const delaySeconds = wholeNumber('delay', delay, 0, maxDelaySeconds)
  let runAt = delaySeconds ? now + delaySeconds * 1000 : null
  if (run_at !== undefined && run_at !== null) {
    const at = time.safeParse(run_at).success ? Date.parse(run_at as string) : Number.NaN
    if (Number.isNaN(at)) errors.push({ field: 'run_at', code: 'not_a_time' })
    else if (delay !== undefined && delay !== null) errors.push({ field: 'run_at', code: 'not_with_delay' })
    else if (at < now - LATE_MS) errors.push({ field: 'run_at', code: 'in_the_past' })
    else if (at > now + maxDelaySeconds * 1000)
      errors.push({ field: 'run_at', code: 'too_far_ahead', params: { seconds: maxDelaySeconds } })
    else if (at > now) runAt = at
  }
  return { runAt, priority: wholeNumber('priority', priority, topPriority, PRIORITIES), errors }
}
