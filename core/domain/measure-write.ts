/**
 * What one written record adds to the metrics of requests. Pure: it compares the record with the one before it, so that each
 * change is measured where it is written, and only there. All durations are seconds.
 */
import { toRun } from './arrival.ts'
import { dueAt } from './durations.ts'
import { isRequestFailureCode, type RequestFailureCode } from './errors.ts'
import { kindOf } from './otp-data.ts'
import { isFinal, type RequestRecord, type Status } from './record.ts'
import type { Step } from './step.ts'

export interface Measured {
  isCreated: boolean
  /** From when it was due to its start. */
  queueSeconds?: number
  /** From when it was due to its first question for a code. */
  codeSeconds?: number
  /** Steps that are done now, without the time that they waited for answers. */
  steps: { id: string; seconds: number }[]
  end?: {
    status: Status
    /** From when it was due. */
    seconds: number
    /** Of a failure. Codes that bots made up are `other`. */
    failure?: RequestFailureCode | 'other'
    /** Whether it ended within the time that was expected at its start, where one was. */
    arrival?: 'early' | 'inside' | 'late'
  }
}

/**
 * @param previous null for the first write, and for one over a record that this process knows nothing of: of that,
 * which has the revision of an earlier write, only the end is measured
 */
export function measureWrite(previous: RequestRecord | null, next: RequestRecord): Measured {
  const isCreated = previous === null && next.revision === undefined
  const measured: Measured = { isCreated, steps: [] }
  if (isFinal(next.status) && !(previous && isFinal(previous.status))) measured.end = endOf(next)
  if (!previous && !isCreated) return measured
  const since = dueAt(next)
  if (next.started_at !== null && !previous?.started_at)
    measured.queueSeconds = secondsBetween(since, next.started_at)
  if (asksFirstCode(previous, next)) measured.codeSeconds = secondsBetween(since, next.updated_at)
  for (const step of next.steps) {
    const seconds = workSeconds(step)
    if (seconds === null || previous?.steps.find(({ id }) => id === step.id)?.state === 'done') continue
    measured.steps.push({ id: step.id, seconds })
  }
  return measured
}

/** Programs with other clocks write times, too. */
const secondsBetween = (from: number, to: string): number => Math.max(0, Date.parse(to) - from) / 1000

const asksCode = ({ status, otp_data }: RequestRecord): boolean =>
  status === 'otp_required' && kindOf(otp_data ?? {}) === 'code'

/** The limits of codes stay in the record from the first code on. */
const asksFirstCode = (previous: RequestRecord | null, next: RequestRecord): boolean =>
  asksCode(next) && !(previous && (asksCode(previous) || previous.otp_limits))

function workSeconds({ of, state, started_at, finished_at, waited_ms = 0 }: Step): number | null {
  if (of !== undefined || state !== 'done' || !started_at || !finished_at) return null
  return secondsBetween(Date.parse(started_at) + waited_ms, finished_at)
}

function endOf(record: RequestRecord): Measured['end'] {
  const { status, completed_at, updated_at, error_data, expected } = record
  const code = error_data?.code ?? ''
  const run = status === 'completed' && expected ? toRun(record, expected) : null
  return {
    status,
    seconds: secondsBetween(dueAt(record), completed_at ?? updated_at),
    ...(status === 'failed' && { failure: isRequestFailureCode(code) ? code : 'other' }),
    ...(run && expected && { arrival: arrivalOf(run.total, expected.total) }),
  }
}

const arrivalOf = (total: number, [earliest, latest]: readonly [number, number]) =>
  total < earliest ? 'early' : total > latest ? 'late' : 'inside'
