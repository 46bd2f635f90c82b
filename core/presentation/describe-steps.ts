/** The texts of a request's steps. */
import type { PublicView } from '../domain/record.ts'
import type { Step } from '../domain/step.ts'
import type { ArrivalContext } from './arrival-text.ts'
import { formatDuration, formatUntil } from './format-duration.ts'

/** A shorter step has no duration: as a wait for an answer, in which no work is done. Seconds. */
const MIN_USUAL = 1

export interface DescribedStep {
  id: string
  title: string
  state: Step['state']
  text: string
  /** Its usual duration is known, and shown while it waits. */
  isTimed: boolean
  outcome?: Step['outcome']
  /** Substeps, which run concurrently. */
  parts: DescribedStep[]
}

export type StepContext = Pick<ArrivalContext, 't' | 'now' | 'pace' | 'isViewer'> & {
  stepTitles: Readonly<Record<string, string>>
}

/** An attempt has failed and the next one has not started. */
export const isBetweenAttempts = (view: PublicView): boolean =>
  view.status === 'processing' && view.next_retry_at !== null

/** Duration of a step or a request that has ended; null while it runs. */
export function formatElapsed(t: StepContext['t'], from: string | null, to: string | null): string | null {
  return from && to ? formatDuration(t, secondsBetween(from, Date.parse(to))) : null
}

export const secondsBetween = (iso: string, ms: number): number => Math.max(0, (ms - Date.parse(iso)) / 1000)

/** "in 20 s" */
export const untilRetry = (
  { next_retry_at }: PublicView,
  { t, now }: Pick<StepContext, 't' | 'now'>,
): string => formatUntil(t, (Date.parse(next_retry_at ?? '') - now) / 1000)

/** Top-level steps, or the substeps of one. */
export const stepsBelow = (view: PublicView, of?: string): Step[] =>
  view.steps.filter((step) => step.of === of)

export function describeStep(view: PublicView, step: Step, context: StepContext): DescribedStep {
  const isPaused = isBetweenAttempts(view) && step.state === 'current' && step.of === undefined
  return {
    id: step.id,
    title: context.stepTitles[step.id] ?? step.id,
    state: step.state,
    text: isPaused
      ? context.t('live.step.again', { until: untilRetry(view, context) })
      : view.requires_otp && step.state === 'current' && !context.isViewer
        ? context.t('live.step.yours')
        : stepText(step, context),
    isTimed: (context.pace.steps[step.id] ?? 0) >= MIN_USUAL,
    outcome: step.outcome,
    parts:
      step.of === undefined ? stepsBelow(view, step.id).map((part) => describeStep(view, part, context)) : [],
  }
}

function stepText(
  { id, state, outcome, progress, started_at, finished_at }: Step,
  { t, pace }: StepContext,
): string {
  if (outcome) return t(outcome === 'failed' ? 'live.part.failed' : 'live.part.skipped')
  if (state === 'current' && progress) return t('live.percent', { value: progress / 100 })
  const done = state === 'done' && formatElapsed(t, started_at, finished_at)
  if (done) return t('live.step.done_in', { duration: done })
  const usual = pace.steps[id] ?? 0
  return state === 'waiting' && usual >= MIN_USUAL
    ? t('live.remaining.usually', { duration: formatDuration(t, usual) })
    : t(`live.step.${state}`)
}
