/**
 * The texts of a request page. Pure, and used both by the server, which renders the page, and by the browser, which updates
 * it, so that they never differ.
 */
import { isFinal, isScheduled, type PublicView, type Step } from '../domain/record.ts'
import { isBotSeenSince } from '../domain/view-times.ts'
import type { Translate } from '../i18n/formatter.ts'
import type { LiveKey } from '../i18n/index.ts'
import type { Localize } from '../i18n/localize-message.ts'
import {
  formatAge,
  formatBotSeen,
  formatDuration,
  formatRemaining,
  formatUntil,
  roundCountdown,
} from './format-duration.ts'

export interface RequestDescription {
  /** For the tab. The state comes first, because a tab shows only a few characters. */
  title: string
  /** The tab's icon by its name in public/icons.mjs. */
  icon: string
  heading: string
  percent: string
  /** For `aria-valuetext`. */
  value: string
  remaining: string
  /** Null hides the element. */
  queue: string | null
  attempt: string | null
  message: string
  age: string | null
  steps: DescribedStep[]
  /** The step as the bot reported it, where the service has no step of that name. */
  otherStep: string | null
}

interface DescribedStep {
  id: string
  title: string
  state: Step['state']
  text: string
  outcome?: Step['outcome']
  /** Substeps, which run concurrently. */
  parts: DescribedStep[]
}

export interface DescribeContext {
  t: Translate<LiveKey>
  read: Localize
  /** Milliseconds, by the server's clock. */
  now: number
  /** The service's title. */
  title: string
  stepTitles: Readonly<Record<string, string>>
  /** The view's estimate, or the browser's countdown of it. */
  remainingSeconds: number
}

export function describeRequest(view: PublicView, context: DescribeContext): RequestDescription {
  const { t } = context
  const percent = t('live.percent', { value: view.progress / 100 })
  return {
    title: tabTitle(view, percent, context),
    icon: `icon-${view.status === 'processing' ? Math.floor(view.progress / 10) * 10 : view.status}`,
    heading: t(heading(view)),
    percent,
    value: valueText(view, context),
    remaining: remaining(view, context),
    queue: queueText(view, context),
    attempt: attemptText(view, context),
    message: lastMessage(view, context.read),
    age: view.status === 'processing' ? ageText(view, context) : null,
    steps: stepsBelow(view).map((step) => describeStep(view, step, context)),
    otherStep: otherStep(view),
  }
}

function remaining({ started_at }: PublicView, { t, remainingSeconds }: DescribeContext): string {
  const duration = formatRemaining(t, remainingSeconds)
  return started_at || remainingSeconds <= 0 ? duration : t('live.remaining.usually', { duration })
}

/** How old the last update is. While there is none, that the bot is alive. */
function ageText(view: PublicView, { t, now }: DescribeContext): string {
  const alive = isBotSeenSince(view) ? formatBotSeen(t, secondsBetween(view.bot_seen_at ?? '', now)) : null
  return alive ?? formatAge(t, secondsBetween(view.updated_at, now))
}

/** Null for a final request: it has no current step. */
const otherStep = ({ status, step, steps }: PublicView): string | null =>
  isFinal(status) || steps.some(({ id }) => id === step) ? null : step

/** The last message; before the first one, that the request was received. */
export const lastMessage = (view: PublicView, read: Localize): string =>
  read({ ...view, message: view.current_message }) || read({ message: '', message_key: 'received' })

/** An attempt has failed and the next one has not started. */
const isBetweenAttempts = (view: PublicView): boolean =>
  view.status === 'processing' && view.next_retry_at !== null

function heading(view: PublicView) {
  if (isScheduled(view)) return 'live.status.scheduled'
  return isBetweenAttempts(view) ? 'live.status.retrying' : (`live.status.${statusText(view)}` as const)
}

const statusText = (view: PublicView) =>
  view.requires_otp && view.otp_data && view.otp_data.kind !== 'code' ? 'answer_required' : view.status

/** Start time of a scheduled request, else its position in the queue. */
function queueText(view: PublicView, { t, now }: DescribeContext): string | null {
  const seconds = isScheduled(view) ? (Date.parse(view.run_at ?? '') - now) / 1000 : 0
  if (seconds > 0) return t('live.starts_in', { duration: formatUntil(t, seconds) })
  return view.queue_position === null ? null : t('live.queue', { place: view.queue_position })
}

/** Duration of a step or a request that has ended; null while it runs. */
export function formatElapsed(t: Translate<LiveKey>, from: string | null, to: string | null): string | null {
  return from && to ? formatDuration(t, secondsBetween(from, Date.parse(to))) : null
}

const secondsBetween = (iso: string, ms: number): number => Math.max(0, (ms - Date.parse(iso)) / 1000)

function tabTitle(view: PublicView, percent: string, { t, title }: DescribeContext): string {
  const status = statusText(view)
  return status === 'processing'
    ? t('live.title.running', { percent, title })
    : t(`live.title.${status}`, { title })
}

function valueText(view: PublicView, { t, stepTitles }: DescribeContext): string {
  const steps = stepsBelow(view)
  const index = steps.findIndex((step) => step.state === 'current')
  const step = steps[index]
  if (!step) return t('live.value', { percent: view.progress })
  return t('live.value_step', {
    percent: view.progress,
    number: index + 1,
    total: steps.length,
    title: stepTitles[step.id] ?? step.id,
  })
}

/** Null for the first attempt. */
function attemptText(view: PublicView, { t, now }: DescribeContext): string | null {
  const max = view.max_attempts
  if (!isBetweenAttempts(view))
    return view.attempt > 1 ? t('live.attempt', { attempt: view.attempt, max }) : null
  const attempt = Math.min(view.attempt + 1, max)
  const seconds = roundCountdown((Date.parse(view.next_retry_at ?? '') - now) / 1000)
  return seconds > 0
    ? t('live.attempt_in', { attempt, max, seconds })
    : t('live.attempt_now', { attempt, max })
}

/** Top-level steps, or the substeps of one. */
const stepsBelow = (view: PublicView, of?: string): Step[] => view.steps.filter((step) => step.of === of)

function describeStep(view: PublicView, step: Step, context: DescribeContext): DescribedStep {
  return {
    id: step.id,
    title: context.stepTitles[step.id] ?? step.id,
    state: step.state,
    text: stepText(step, context.t),
    outcome: step.outcome,
    parts:
      step.of === undefined ? stepsBelow(view, step.id).map((part) => describeStep(view, part, context)) : [],
  }
}

function stepText(
  { state, outcome, progress, started_at, finished_at }: Step,
  t: Translate<LiveKey>,
): string {
  if (outcome) return t(outcome === 'failed' ? 'live.part.failed' : 'live.part.skipped')
  if (state === 'current' && progress) return t('live.part.percent', { value: progress / 100 })
  const done = state === 'done' && formatElapsed(t, started_at, finished_at)
  return done ? t('live.step.done_in', { duration: done }) : t(`live.step.${state}`)
}
