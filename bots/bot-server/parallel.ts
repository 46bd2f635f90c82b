/** `request.parallel`: runs tasks concurrently and shows each as a substep of the current step. */

import type { LocalizedMessage } from '../../core/domain/message.ts'
import type { SubstepReport } from '../../core/domain/step.ts'
import type { TaskCall } from '../../core/tasks/task.ts'
import { TaskError } from '../../core/tasks/task-errors.ts'
import type { Concurrency, Settled } from '../../core/tasks/task-runner.ts'
import type { RequestUpdater } from '../updater.ts'

export interface Part<Result> {
  /** The substep that shows it. */
  step: string
  /** Its share of the progress relative to the other parts; 1 when left out. */
  weight?: number
  call: TaskCall<Result>
}

export interface ParallelOptions {
  /** The request's progress before and after. */
  from: number
  to: number
  /** How many results are enough; parts that still run then are aborted. All when left out. */
  need?: number
  /** Shown when the parts start. */
  message?: string | LocalizedMessage
}

/**
 * Results in the order of the parts; one that was no longer needed has the error `aborted`.
 *
 * @throws TaskError the last error, once too many parts have failed to reach `need`
 */
export type Parallel = <Result>(
  parts: readonly Part<Result>[],
  options: ParallelOptions,
) => Promise<Settled<Result>[]>

export function createParallel({
  concurrency,
  signal,
  updateProgress,
}: {
  concurrency: Concurrency
  /** Aborts all parts with its reason. */
  signal: AbortSignal
  updateProgress: RequestUpdater['updateProgress']
}): Parallel {
  return async <Result>(parts: readonly Part<Result>[], options: ParallelOptions) => {
    const { need = parts.length } = options
    signal.throwIfAborted()
    const over = new AbortController()
    const combined = AbortSignal.any([signal, over.signal])
    const reports = createSubstepReports(parts, options, updateProgress, () => over.abort())
    let succeeded = 0
    let failed = 0
    let lastError: TaskError | undefined

    async function runPart({ call }: Part<Result>, index: number): Promise<Settled<Result>> {
      const onProgress = (percent: number): void => {
        call.onProgress?.(percent)
        reports.change(index, { progress: Math.floor(percent) })
      }
      try {
        const [value] = await concurrency.run([{ ...call, onProgress }], { signal: combined })
        reports.change(index, { state: 'done' })
        if (++succeeded === need) over.abort()
        return { ok: true, value: value as Result }
      } catch (thrown) {
        const { name, message, code, stack, cause } = thrown as TaskError
        const error = new TaskError(call.name, { name, message, code, stack }, { index, cause })
        reports.change(index, { state: 'done', outcome: combined.aborted ? 'skipped' : 'failed' })
        if (!combined.aborted) {
          lastError = error
          if (parts.length - ++failed < need) over.abort()
        }
        return { ok: false, error }
      }
    }

    reports.request()
    const results = await Promise.all(parts.map(runPart))
    await reports.written()
    signal.throwIfAborted()
    if (succeeded < need) throw lastError
    return results
  }
}

/** @param onRefused called when a write is refused */
function createSubstepReports(
  parts: readonly Part<unknown>[],
  { from, to, message }: ParallelOptions,
  updateProgress: RequestUpdater['updateProgress'],
  onRefused: () => void,
) {
  const reports = parts.map(({ step }): SubstepReport => ({ id: step, state: 'current', progress: 0 }))
  const weights = parts.map(({ weight = 1 }) => weight)
  let unsentMessage = message

  const writer = createCoalescedWriter(async () => {
    const sent = unsentMessage
    unsentMessage = undefined
    const progress = from + (to - from) * finishedShare(reports, weights)
    const copies = reports.map((report) => ({ ...report }))
    await updateProgress(progress, undefined, sent, copies)
  }, onRefused)

  return {
    ...writer,
    change(index: number, changes: Partial<SubstepReport>): void {
      const report = reports[index] as SubstepReport
      if (report.state === 'done') return
      const before = { ...report }
      Object.assign(report, changes)
      if (report.state !== before.state || report.progress !== before.progress) writer.request()
    },
  }
}

/** 0 to 1. A part that has ended counts in full, also when it failed. */
function finishedShare(parts: readonly SubstepReport[], weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const percents = parts.map(({ state, progress = 0 }) => (state === 'done' ? 100 : progress))
  const sum = percents.reduce((sum, percent, i) => sum + percent * (weights[i] as number), 0)
  return total > 0 ? sum / total / 100 : 1
}

/** One write at a time. Changes made during a write are combined in the next one. */
function createCoalescedWriter(write: () => Promise<void>, onRefused: () => void) {
  let isRequested = false
  let current: Promise<void> | null = null
  let refusal: { error: unknown } | null = null
  async function writeAll(): Promise<void> {
    try {
      while (isRequested && !refusal) {
        isRequested = false
        await write()
      }
    } catch (error) {
      refusal = { error }
      onRefused()
    } finally {
      current = null
    }
  }
  return {
    request(): void {
      if (refusal) return
      isRequested = true
      current ??= writeAll()
    },
    /** Resolves once everything is written. @throws the error of a refused write */
    async written(): Promise<void> {
      while (current) await current
      if (refusal) throw refusal.error
    },
  }
}
