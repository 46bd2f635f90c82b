/** Keeps the expected end in a record up to date. The end moves later only with a reason that is shown: `is_late`. */
import type { Expectation, Range } from './arrival.ts'
import { type IsoTime, toIso } from './iso-time.ts'
import type { Step } from './step.ts'

/** The fields of a record that it concerns. */
interface Timed {
  status: string
  progress: number
  steps: Step[]
  estimated_duration: number
  estimated_end_at: IsoTime | null
  earliest_end_at?: IsoTime
  is_late?: boolean
  expected?: Expectation
  otp_data: { requested_at: IsoTime } | null
  updated_at: IsoTime
}

/** An end that moves later by at most this is left where it is. */
const SLACK_MS = 2_000

/** An attempt starts. Writes to `next`. */
export function expectEnd(next: Timed, expected: Expectation | undefined, at: number): void {
  const isFirst = next.estimated_end_at === null
  next.expected = expected
  if (!expected) {
    next.estimated_end_at ??= toIso(at + next.estimated_duration * 1000)
    next.earliest_end_at = undefined
    return
  }
  next.estimated_duration = Math.ceil(expected.total[1])
  if (isFirst) next.estimated_end_at = toIso(at + expected.total[1] * 1000)
  moveEnd(next, expected.total, at)
}

/** The bot reported progress. Writes to `next`. */
export function updateExpectedEnd(next: Timed, before: Timed, at: number): void {
  const step = currentStep(next)
  const isEntered = step?.id !== currentStep(before)?.id
  const range = step && next.expected?.steps[step.id]
  if (range) {
    if (isEntered) moveEnd(next, range, at)
    return
  }
  lowerEnds(next, at)
}

const currentStep = ({ steps }: Timed): Step | undefined =>
  steps.find(({ state, of }) => state === 'current' && of === undefined)

function moveEnd(next: Timed, [earliest, latest]: Range, at: number): void {
  const end = at + latest * 1000
  const shown = next.estimated_end_at === null ? end : Date.parse(next.estimated_end_at)
  if (end > shown + SLACK_MS) next.is_late = true
  next.estimated_end_at = toIso(end > shown + SLACK_MS ? end : Math.min(end, shown))
  next.earliest_end_at = toIso(Math.min(at + earliest * 1000, Date.parse(next.estimated_end_at)))
}

/** Without expected steps: lowers the end to the remaining share of the duration. It never moves later. */
function lowerEnds(next: Timed, at: number): void {
  const restOf = (seconds: number): number => at + (seconds * 1000 * (100 - next.progress)) / 100
  const rest = restOf(next.estimated_duration)
  next.estimated_end_at = toIso(
    next.estimated_end_at ? Math.min(Date.parse(next.estimated_end_at), rest) : rest,
  )
  if (next.expected && next.earliest_end_at)
    next.earliest_end_at = toIso(Math.min(Date.parse(next.earliest_end_at), restOf(next.expected.total[0])))
}

/** Seconds until the latest expected end. Constant while queued and while waiting for a code; never negative. */
export function secondsToLatestEnd(record: Timed, now: number): number {
  if (!record.estimated_end_at) return record.estimated_duration
  const rest = secondsUntil(record.estimated_end_at, record, now)
  return record.expected ? rest : Math.min(rest, record.estimated_duration)
}

/** Seconds until the earliest and the latest expected end; null before the start, and where nothing is expected. */
export function remainingRange(record: Timed, now: number): Range | null {
  if (!record.earliest_end_at) return null
  const latest = secondsToLatestEnd(record, now)
  return [Math.min(secondsUntil(record.earliest_end_at, record, now), latest), latest]
}

function secondsUntil(end: IsoTime, { status, otp_data, updated_at }: Timed, now: number): number {
  const otpRequestedAt = status === 'otp_required' ? otp_data?.requested_at : undefined
  // A clock behind that of the last writer must not increase the remaining time.
  const from = otpRequestedAt ? Date.parse(otpRequestedAt) : Math.max(now, Date.parse(updated_at))
  return Math.max(0, Math.ceil((Date.parse(end) - from) / 1000))
}
