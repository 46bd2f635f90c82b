/**
 * Several tasks at once, each shown as a part of the current step: what `request.parallel` does.
 */

import type { LocalizedMessage } from '../../core/domain/message.ts'
import type { SubstepReport } from '../../core/domain/record.ts'
import type { TaskCall } from '../../core/tasks/task.ts'
import { TaskError } from '../../core/tasks/task-errors.ts'
import type { Concurrency, Settled } from '../../core/tasks/task-runner.ts'
import type { RequestUpdater } from '../updater.ts'

export interface Part<Result> {
  /** The part of the current step that shows it. */
  step: string
  /** Its share of the progress, compared with those of the others; 1 when left out. */
  weight?: number
  call: TaskCall<Result>
}

export interface ParallelOptions {
  /** The request's progress before and after. */
  from: number
  to: number
  /** So many good results are enough: what still runs then is aborted. All when left out. */
  need?: number
  /** Said when they begin. */
  message?: string | LocalizedMessage
}

/**
 * Results in the order of the parts; one that was not needed any more has the error `aborted`.
 *
 * @throws TaskError the last one, once there cannot be as many good results as are needed
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
  /** Ends all of it with its reason. */
  signal: AbortSignal
  updateProgress: RequestUpdater['updateProgress']
}): Parallel {
  return async <Result>(
    parts: readonly Part<Result>[],
    { from, to, need = parts.length, message }: ParallelOptions,
  ) => {
    signal.throwIfAborted()
    const over = new AbortController()
    const ended = AbortSignal.any([signal, over.signal])
    const shown = parts.map(({ step }): SubstepReport => ({ id: step, state: 'current', progress: 0 }))
    const weights = parts.map(({ weight = 1 }) => weight)
    let words = message

    const writing = createCoalescedWriter(
      async () => {
        const said = words
        words = undefined
        await updateProgress(
          from + (to - from) * shareOf(shown, weights),
          undefined,
          said,
          shown.map((part) => ({ ...part })),
        )
      },
      () => over.abort(),
    )
    const show = (index: number, news: Partial<SubstepReport>): void => {
      const part = shown[index] as SubstepReport
      if (part.state === 'done') return
      const before = { ...part }
      Object.assign(part, news)
      if (part.state !== before.state || part.progress !== before.progress) writing.request()
    }

    let good = 0
    let bad = 0
    let last: TaskError | undefined
    async function run({ call }: Part<Result>, index: number): Promise<Settled<Result>> {
      const onProgress = (percent: number): void => {
        call.onProgress?.(percent)
        show(index, { progress: Math.floor(percent) })
      }
      try {
        const [value] = await concurrency.run([{ ...call, onProgress }], { signal: ended })
        show(index, { state: 'done' })
        if (++good === need) over.abort()
        return { ok: true, value: value as Result }
      } catch (thrown) {
        const { name, message, code, stack, cause } = thrown as TaskError
        const error = new TaskError(call.name, { name, message, code, stack }, { index, cause })
        show(index, { state: 'done', outcome: ended.aborted ? 'skipped' : 'failed' })
        if (!ended.aborted) {
          last = error
          if (parts.length - ++bad < need) over.abort()
        }
        return { ok: false, error }
      }
    }

    writing.request()
    const outcomes = await Promise.all(parts.map(run))
    await writing.ended()
    signal.throwIfAborted()
    if (good < need) throw last
    return outcomes
  }
}

/** What is over counts as done, however it ended. */
function shareOf(parts: readonly SubstepReport[], weights: readonly number[]): number {
  const all = weights.reduce((sum, weight) => sum + weight, 0)
  const percents = parts.map(({ state, progress = 0 }) => (state === 'done' ? 100 : progress))
  const sum = percents.reduce((sum, percent, i) => sum + percent * (weights[i] as number), 0)
  return all > 0 ? sum / all / 100 : 1
}

/** One write at a time, in their order; what happens meanwhile is told by the next one, all of it at once. */
function createCoalescedWriter(write: () => Promise<void>, failed: () => void) {
  let request = false
  let current: Promise<void> | null = null
  let refusal: { error: unknown } | null = null
  async function writeAll(): Promise<void> {
    try {
      while (request && !refusal) {
        request = false
        await write()
      }
    } catch (error) {
      refusal = { error }
      failed()
    } finally {
      current = null
    }
  }
  return {
    request(): void {
      if (refusal) return
      request = true
      current ??= writeAll()
    },
    /** All is written. @throws whatever the first write did that was refused */
    async ended(): Promise<void> {
      while (current) await current
      if (refusal) throw refusal.error
    },
  }
}
