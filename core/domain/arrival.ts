/**
 * When a request will be ready, learned from the last runs of its service. Pure: no clock and no I/O. All times are seconds
 * of work: what was spent waiting for answers is left out.
 *
 * A run is compared as a whole: of the step that is running, the rest of a request takes as long as the rest of those runs
 * took. So steps that depend on each other are estimated right, which a sum of the steps' own ranges would not do.
 */
import type { IsoTime } from './iso-time.ts'
import type { Step } from './step.ts'

/** Nine in ten requests end within it. */
export type Range = readonly [earliest: number, latest: number]

/** One completed run. */
export interface PastRun {
  total: number
  /** When each step of the service started; null for one that was left out. */
  starts: readonly (number | null)[]
  /** Whether it ended within the range that was expected at its start; null when none was. */
  isInside: boolean | null
}

/** The expected rest of a request, kept in its record from the start of an attempt. */
export interface Expectation {
  total: Range
  /** From the start of each step. */
  steps: Readonly<Record<string, Range>>
}

export interface ServiceEstimate extends Expectation {
  /** The usual duration of the whole. */
  typical: number
  /** The usual duration of each step. */
  usual: Readonly<Record<string, number>>
  /** The fewest seconds of work that follow each step: 19 in 20 requests take longer. */
  leastAfter: Readonly<Record<string, number>>
}

/** The part of a request that a run is read from. */
export interface EndedRequest {
  attempt: number
  started_at: IsoTime | null
  completed_at: IsoTime | null
  steps: readonly Step[]
}

/** The shortest and the longest of so many runs hold nine in ten of the next ones. With fewer runs nothing is expected. */
export const MIN_RUNS = 20
/** The share of runs that end before a range, and after it. */
const TAIL = 0.05

/** @returns null for a request with several attempts, which says nothing about the next one */
export function toRun(ended: EndedRequest, expected: Expectation | undefined): PastRun | null {
  const { attempt, started_at, completed_at } = ended
  if (attempt !== 1 || !started_at || !completed_at) return null
  const steps = ended.steps.filter(({ of }) => of === undefined)
  /** Seconds of work until a time. */
  const workedUntil = (at: string): number => {
    const waitedMs = steps.reduce(
      (sum, { started_at: from, waited_ms = 0 }) => (from !== null && from < at ? sum + waited_ms : sum),
      0,
    )
    return tenths(Math.max(0, Date.parse(at) - Date.parse(started_at) - waitedMs) / 1000)
  }
  const total = workedUntil(completed_at)
  return {
    total,
    starts: steps.map(({ started_at: from }) => (from === null ? null : workedUntil(from))),
    isInside: expected ? total >= expected.total[0] && total <= expected.total[1] : null,
  }
}

const tenths = (seconds: number): number => Math.round(seconds * 10) / 10

/** @param steps the ids of the service's steps, in the order of `PastRun.starts`. @returns null with too few runs */
export function estimateFrom(runs: readonly PastRun[], steps: readonly string[]): ServiceEstimate | null {
  const total = rangeOf(runs.map((run) => run.total))
  if (!total) return null
  const ranges: Record<string, Range> = {}
  const usual: Record<string, number> = {}
  const leastAfter: Record<string, number> = {}
  steps.forEach((id, i) => {
    const started = runs.filter(({ starts }) => typeof starts[i] === 'number')
    const rest = rangeOf(started.map((run) => run.total - (run.starts[i] as number)))
    if (!rest) return
    ranges[id] = rest
    usual[id] = median(started.map((run) => endOfStep(run, i) - (run.starts[i] as number)))
    leastAfter[id] = rangeOf(started.map((run) => tenths(run.total - endOfStep(run, i))))?.[0] ?? 0
  })
  return { total, typical: median(runs.map((run) => run.total)), steps: ranges, leastAfter, usual }
}

export interface Percentiles {
  /** Seconds: half of the runs took at most so long, 19 of 20. */
  p50: number
  p95: number
}

export interface ServiceDurations {
  runs: number
  total: Percentiles
  /** By id; absent for a step that every run left out. */
  steps: Readonly<Record<string, Percentiles>>
}

/** @param steps as `estimateFrom`. @returns null without a run */
export function durationsOf(runs: readonly PastRun[], steps: readonly string[]): ServiceDurations | null {
  const total = percentilesOf(runs.map((run) => run.total))
  if (!total) return null
  const taken = steps.map((id, i) => {
    const started = runs.filter(({ starts }) => typeof starts[i] === 'number')
    return [id, percentilesOf(started.map((run) => tenths(endOfStep(run, i) - (run.starts[i] as number))))]
  })
  return { runs: runs.length, total, steps: Object.fromEntries(taken.filter(([, known]) => known)) }
}

function percentilesOf(values: number[]): Percentiles | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number
  return { p50: at(0.5), p95: at(0.95) }
}

/** The start of the next step that was not left out, or the end. */
const endOfStep = ({ starts, total }: PastRun, i: number): number =>
  starts.find((start, j): start is number => j > i && start !== null) ?? total

function rangeOf(values: number[]): Range | null {
  if (values.length < MIN_RUNS) return null
  const sorted = values.toSorted((a, b) => a - b)
  const rank = Math.floor(TAIL * (sorted.length + 1))
  return [sorted[rank - 1] as number, sorted.at(-rank) as number]
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return tenths(sorted[Math.floor(sorted.length / 2)] as number)
}

/** How many runs had an expectation, and how many of them ended within it. */
export const countInside = (runs: readonly PastRun[]): { expected: number; inside: number } => ({
  expected: runs.filter(({ isInside }) => isInside !== null).length,
  inside: runs.filter(({ isInside }) => isInside === true).length,
})
