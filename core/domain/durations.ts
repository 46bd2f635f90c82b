/** How long a request took that has ended, and with what. All in milliseconds. */
import type { RequestRecord } from './record.ts'

export interface Durations {
  /** From when it was due to its start. */
  queued_ms: number
  /** From its start to its end, with the waits between attempts, without those for answers. */
  work_ms: number
  /** How long it waited for codes and other answers. */
  waiting_ms: number
  /** From when it was due to its end. */
  total_ms: number
  /** Of each step that was started, without waits for answers. */
  steps_ms: Record<string, number>
}

/** A scheduled request waits from its time on. */
export const dueAt = ({ created_at, run_at }: Pick<RequestRecord, 'created_at' | 'run_at'>): number =>
  Math.max(Date.parse(created_at), run_at ? Date.parse(run_at) : 0)

export function measureDurations(record: RequestRecord, endedAt: string): Durations {
  const due = dueAt(record)
  const { started_at, waited_ms = 0 } = record
  const queued = between(due, started_at ?? endedAt)
  const running = started_at === null ? 0 : between(Date.parse(started_at), endedAt)
  const steps = record.steps.flatMap((step) =>
    step.of === undefined && step.started_at !== null
      ? [
          [
            step.id,
            between(Date.parse(step.started_at) + (step.waited_ms ?? 0), step.finished_at ?? endedAt),
          ] as const,
        ]
      : [],
  )
  return {
    queued_ms: queued,
    work_ms: Math.max(0, running - waited_ms),
    waiting_ms: waited_ms,
    total_ms: between(due, endedAt),
    steps_ms: Object.fromEntries(steps),
  }
}

/** Programs with other clocks write times, too. */
const between = (from: number, to: string): number => Math.max(0, Date.parse(to) - from)
