/**
 * The texts of a request page. Pure, and used both by the server, which renders the page, and by the browser, which updates
 * it, so that they never differ.
 */
import { isFinal, isScheduled, type PublicView } from '../domain/record.ts'
import type { Step } from '../domain/step.ts'
import { isBotSeenSince } from '../domain/view-times.ts'
import type { Localize } from '../i18n/localize-message.ts'
import { type Arrival, type ArrivalContext, describeArrival } from './arrival-text.ts'
import {
  type DescribedStep, describeStep, isBetweenAttempts, secondsBetween, stepsBelow, untilRetry,
} from './describe-steps.ts' // biome-ignore format: a list
import { formatAge, formatBotSeen, formatRemaining, formatSent, formatUntil } from './format-duration.ts'

export interface RequestDescription extends Arrival {
  /** For the tab. The state comes first, because a tab shows only a few characters. */
  title: string
  /** The tab's icon by its name in public/icons.mjs. */
  icon: string
  /** The drawing of the state by its name in server/pages/templates/drawing.eta. */
  drawing: string
  heading: string
  percent: string
  /** "Step 2 of 6"; null while no step is current. */
  stepNumber: string | null
  /** For `aria-valuetext`. */
  value: string
  /** Until a scheduled start. Null hides the element. */
  startsIn: string | null
  /** That the operator holds the queue. */
  hold: string | null
  attempt: string | null
  /** Null while the prompt says it. */
  message: string | null
  age: string | null
  /** What to do about a silence of several times the usual duration. */
  advice: string | null
  /** How long there was no word: 0 below 10 s, 1 below a minute, 2, and 3 with `advice`. */
  silence: 0 | 1 | 2 | 3
  /** The status, or that the bar stands still: between two attempts, in a held queue, in a long silence. */
  bar: PublicView['status'] | 'paused'
  steps: DescribedStep[]
  /** The step as the bot reported it, where the service has no step of that name. */
  otherStep: string | null
}

export interface DescribeContext extends ArrivalContext {
  read: Localize
  /** The service's title. */
  title: string
  stepTitles: Readonly<Record<string, string>>
  /** Why the attempt before failed, where it has a translation. */
  reason?: string | null
}

export function describeRequest(stored: PublicView, context: DescribeContext): RequestDescription {
  const { t } = context
  const view = isStartingOver(stored) ? { ...stored, steps: stored.steps.map(toWaiting) } : stored
  const percent = t('live.percent', { value: view.progress / 100 })
  const silence = silenceOf(view, context)
  const step = currentStep(view)
  return {
    title: tabTitle(view, percent, context),
    icon: `icon-${view.status === 'processing' ? Math.floor(view.progress / 10) * 10 : view.status}`,
    drawing: drawingOf(view, silence),
    heading: t(silence === 3 ? 'live.status.silent' : heading(view, context), {
      kind: view.otp_data?.kind ?? 'code',
    }),
    percent,
    stepNumber: step && t('live.step_of', step),
    value: valueText(view, context),
    ...describeArrival(view, context),
    startsIn: startText(view, context),
    hold: view.queue_hold && `${t('live.hold')}\n${view.queue_hold.message ?? ''}`.trim(),
    attempt: attemptText(view, context),
    message: shownMessage(view, context),
    age: ageText(view, context),
    advice: silence === 3 ? t('live.silence_advice') : null,
    silence,
    bar: isBetweenAttempts(view) || view.queue_hold || silence === 3 ? 'paused' : view.status,
    steps: stepsBelow(view).map((step) => describeStep(view, step, context)),
    otherStep: otherStep(view),
  }
}

function drawingOf(view: PublicView, silence: RequestDescription['silence']): string {
  if (isScheduled(view)) return 'scheduled'
  if (isBetweenAttempts(view) || isRepeating(view)) return 'retrying'
  return silence === 3 ? 'silent' : statusText(view)
}

/**
 * How old the last update is. While there is none, that the bot is alive. Between two attempts when the next one starts, and
 * then why; in a queue when the request was sent.
 */
function ageText(view: PublicView, context: DescribeContext): string | null {
  const { t, now } = context
  if (isBetweenAttempts(view)) return nextAttemptText(view, context)
  if (view.status === 'pending' && !isScheduled(view))
    return formatSent(t, secondsBetween(view.created_at, now))
  if (!isWorking(view)) return null
  // Why it starts over. The age counts from a minute on.
  if (isRepeating(view) && context.reason && silenceOf(view, context) < 2) return context.reason
  const alive = isBotSeenSince(view) ? formatBotSeen(t, secondsBetween(view.bot_seen_at ?? '', now)) : null
  return alive ?? formatAge(t, secondsBetween(view.updated_at, now))
}

/** Times the usual duration after which a silence is no longer usual. */
const UNUSUAL = 3

function silenceOf(view: PublicView, { now, pace }: DescribeContext): RequestDescription['silence'] {
  const seconds = isWorking(view) ? secondsBetween(view.updated_at, now) : 0
  if (seconds < 10) return 0
  if (seconds < 60) return 1
  const usually = pace.steps[view.step ?? ''] ?? pace.typical
  return seconds >= UNUSUAL * usually ? 3 : 2
}

/** Null for a final request: it has no current step. */
const otherStep = ({ status, step, steps }: PublicView): string | null =>
  isFinal(status) || steps.some(({ id }) => id === step) ? null : step

/** The last message; before the first one, that the request was received. */
export const lastMessage = (view: PublicView, read: Localize): string =>
  read({ ...view, message: view.current_message }) || read({ message: '', message_key: 'received' })

/** Messages that the prompt itself says, or that are over once there is a prompt. */
const PROMPT_MESSAGES = [
  'code_needed',
  'answer_needed',
  'otp_rejected',
  'answer_rejected',
  'code_received',
  'checking',
]

/**
 * In a queue the place in it. Between two attempts the reason, where it has a translation: untranslated words of a bot are
 * left out.
 */
function shownMessage(view: PublicView, context: DescribeContext): string | null {
  const { t, read } = context
  if (view.queue_position !== null) return placeText(view, view.queue_position, context)
  if (isBetweenAttempts(view))
    return read({ ...view, message: null }) ?? t('live.timeline.attempt_failed', { attempt: view.attempt })
  const isInPrompt =
    PROMPT_MESSAGES.includes(view.message_key ?? '') || view.current_message === view.otp_data?.message
  return view.requires_otp && isInPrompt ? null : lastMessage(view, read)
}

const isWorking = (view: PublicView): boolean => view.status === 'processing' && !isBetweenAttempts(view)

/** A further attempt that has reported no message yet. */
const isRepeating = (view: PublicView): boolean => isWorking(view) && view.message_key === 'starting_over'

/** A further attempt, whose bot has reported no step yet: what the one before did is repeated. */
const isStartingOver = (view: PublicView): boolean => isWorking(view) && view.step === null

const toWaiting = (step: Step): Step => ({ ...step, state: 'waiting', outcome: undefined })

function heading(view: PublicView, { now, isViewer }: DescribeContext) {
  if (isScheduled(view)) return 'live.status.scheduled'
  if (isBetweenAttempts(view)) return 'live.status.retrying'
  if (isRepeating(view)) return 'live.status.repeating'
  if (view.status === 'processing' && view.message_key === 'code_received') return 'live.status.checking_code'
  if (view.status === 'processing' && view.message_key === 'checking') return 'live.status.checking_answer'
  if (view.requires_otp && isViewer) return 'live.status.awaiting'
  if (statusText(view) === 'otp_required' && view.otp_data && Date.parse(view.otp_data.expires_at) <= now)
    return 'live.status.code_expired'
  return `live.status.${statusText(view)}` as const
}

const statusText = (view: PublicView) =>
  view.requires_otp && view.otp_data && view.otp_data.kind !== 'code' ? 'answer_required' : view.status

function startText(view: PublicView, { t, now }: DescribeContext): string | null {
  const seconds = isScheduled(view) ? (Date.parse(view.run_at ?? '') - now) / 1000 : 0
  return seconds > 0 ? t('live.starts_in', { until: formatUntil(t, seconds) }) : null
}

function placeText(view: PublicView, place: number, { t, pace }: DescribeContext): string {
  const ahead = place - 1
  if (ahead === 0 || pace.queueSeconds === null || view.queue_hold) return t('live.queue', { place })
  return t('live.queue_wait', { ahead, duration: formatRemaining(t, Math.max(1, ahead * pace.queueSeconds)) })
}

function tabTitle(view: PublicView, percent: string, { t, title }: DescribeContext): string {
  const status = statusText(view)
  return status === 'processing'
    ? t('live.title.running', { percent, title })
    : t(`live.title.${status}`, { title })
}

function valueText(view: PublicView, { t, stepTitles }: DescribeContext): string {
  const step = currentStep(view)
  if (!step) return t('live.value', { percent: view.progress })
  return t('live.value_step', {
    ...step,
    percent: view.progress,
    title: stepTitles[step.id] ?? step.id,
  })
}

function currentStep(view: PublicView): { id: string; number: number; total: number } | null {
  const steps = stepsBelow(view)
  const index = steps.findIndex(({ state }) => state === 'current')
  const step = steps[index]
  return step ? { id: step.id, number: index + 1, total: steps.length } : null
}

/** Null for the first attempt, between two of them, and while the message says it. */
function attemptText(view: PublicView, { t }: DescribeContext): string | null {
  const isShown = view.attempt > 1 && !isBetweenAttempts(view) && view.message_key !== 'starting_over'
  return isShown ? t('live.attempt', { attempt: view.attempt, max: view.max_attempts }) : null
}

/** Counts down to the next attempt. */
function nextAttemptText(view: PublicView, { t, now }: DescribeContext): string {
  const attempt = view.attempt + 1
  const max = Math.max(view.max_attempts, attempt)
  return t('live.attempt_in', { attempt, max, until: untilRetry(view, { t, now }) })
}
