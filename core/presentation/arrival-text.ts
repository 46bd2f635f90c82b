/** When a request will be ready, in words: a range of seconds below a minute, else of clock times or minutes. */
import type { Range } from '../domain/arrival.ts'
import type { PublicView } from '../domain/record.ts'
import type { QueuePace } from '../domain/waiting.ts'
import type { Translate } from '../i18n/formatter.ts'
import type { LiveKey } from '../i18n/index.ts'
import { formatRemaining } from './format-duration.ts'

type T = Translate<LiveKey>

/** A time of the day, such as `16:34`, in the viewer's time zone. */
export type FormatClock = (ms: number) => string

/** What a request of the service takes, from its last runs or else as its definition says. */
export interface ServicePace extends QueuePace {
  /** The usual seconds of the whole work. */
  typical: number
  /** Seconds of each step, where known. */
  steps: Readonly<Record<string, number>>
  /** The fewest seconds of work that follow each step, where known. */
  leastAfter?: Readonly<Record<string, number>>
}

export interface ArrivalContext {
  t: T
  /** Milliseconds, by the server's clock. */
  now: number
  /** The view's estimate, or the browser's countdown of it. */
  remainingSeconds: number
  /** The same of the earliest expected end; null where nothing is expected. */
  earliestSeconds: number | null
  /** The queue moves slower than it was expected to. */
  isQueueLate?: boolean
  /** The service asks for a code: how long a person takes to type it is unknown. */
  asksForCode?: boolean
  /** The last attempt in which the code was asked for; null before. */
  codeAskedIn?: number | null
  /** The page may be out of date: a time of the day stays true, "in 20 seconds" does not. */
  isStale?: boolean
  /** Sees the request by a view-only link: another person answers. */
  isViewer?: boolean
  /** Left out where the viewer's time zone is unknown. */
  clockTime?: FormatClock
  pace: ServicePace
}

/** The time, and beside it how sure it is: the range, and that it has become later. */
export interface Arrival {
  remaining: string
  detail: string | null
}

/** When it will be ready; while an answer is needed, how long it takes from then on. */
export function describeArrival(view: PublicView, context: ArrivalContext): Arrival {
  const { t, remainingSeconds, earliestSeconds, pace } = context
  // When a held queue goes on is unknown.
  if (!view.started_at && view.queue_hold) return only(t('live.arrival.held'))
  if (!view.started_at && earliestSeconds === null)
    return only(t('live.arrival.usually', { duration: formatRemaining(t, pace.typical) }))
  if (view.next_retry_at !== null) {
    const { remaining, detail } = arrivalAfterRetry(view.next_retry_at, context)
    return { remaining, detail: codeAhead(view, context) ?? detail }
  }
  // The person is waited for, not the work.
  if (view.requires_otp && remainingSeconds <= 0) return only('')
  // The current step is late once the time that is left only suffices for the steps after it. An open prompt is not: it waits for a person.
  const least = earliestSeconds === null ? 0 : leastRest(view, pace)
  const isOver = !view.requires_otp && remainingSeconds <= least
  const latest = Math.max(remainingSeconds, least)
  const isExpected = earliestSeconds !== null && !isOver
  const duration = formatRemaining(t, isOver ? 0 : latest)
  const range: Range = [Math.min(Math.max(earliestSeconds ?? 0, least), latest), latest]
  if (view.requires_otp) {
    const isCode = !view.otp_data || view.otp_data.kind === 'code'
    const key = isCode ? 'live.arrival.after_code' : 'live.arrival.after_answer'
    return {
      remaining: t(key, { duration: isExpected ? formatRange(t, range) : duration, who: whoOf(context) }),
      detail: isCode ? null : codeAhead(view, context),
    }
  }
  if (earliestSeconds === null && remainingSeconds <= 0 && isWithinUsual(view, context))
    return only(t('live.remaining.soon'))
  if (!isExpected) return { remaining: duration, detail: isOver ? null : codeAhead(view, context) }
  const { remaining, detail } = formatArrival(range, context)
  // That it starts over says why.
  const isLate = context.isQueueLate || (view.is_late && view.message_key !== 'starting_over')
  const late = isLate ? t('live.arrival.late') : null
  // The range leaves out the time that a person takes to type the code.
  const plusCode = codeAhead(view, context)
  if (plusCode) return { remaining, detail: late ?? plusCode }
  return { remaining, detail: [detail, late].filter(Boolean).join(' · ') || null }
}

function leastRest({ steps }: PublicView, pace: ServicePace): number {
  const current = steps.find(({ state, of }) => state === 'current' && of === undefined)
  return current ? Math.ceil(pace.leastAfter?.[current.id] ?? 0) : 0
}

/** Whether a code will still be asked for: each attempt asks for its own. */
export function isCodeAhead(
  { requires_otp, otp_data, next_retry_at, attempt }: PublicView,
  { asksForCode, codeAskedIn }: Pick<ArrivalContext, 'asksForCode' | 'codeAskedIn'>,
): boolean {
  const isPrompt = requires_otp && (otp_data?.kind ?? 'code') === 'code'
  return Boolean(asksForCode) && !isPrompt && (next_retry_at !== null || codeAskedIn !== attempt)
}

const codeAhead = (view: PublicView, context: ArrivalContext): string | null =>
  isCodeAhead(view, context) ? context.t('live.arrival.plus_code', { who: whoOf(context) }) : null

const whoOf = ({ isViewer }: ArrivalContext): string => (isViewer ? 'viewer' : 'submitter')

const only = (remaining: string): Arrival => ({ remaining, detail: null })

/** The usual duration has not passed: with few runs the bot's own percents may promise an earlier end. */
const isWithinUsual = ({ started_at }: PublicView, { now, pace }: ArrivalContext): boolean =>
  started_at !== null && now - Date.parse(started_at) < pace.typical * 1000

/** The next attempt starts over. */
function arrivalAfterRetry(retryAt: string, context: ArrivalContext): Arrival {
  const { t, now, pace } = context
  const wait = Math.max(0, (Date.parse(retryAt) - now) / 1000)
  return pace.total
    ? formatArrival([wait + pace.total[0], wait + pace.total[1]], context)
    : only(formatRemaining(t, wait + pace.typical))
}

/** "Ready in 20 to 40 seconds", "Ready about 16:34" and "16:33 to 16:36". */
function formatArrival([earliest, latest]: Range, { t, now, clockTime, isStale }: ArrivalContext): Arrival {
  if (latest < 60 && !(isStale && clockTime))
    return only(t('live.arrival.seconds', secondsOf(earliest, latest)))
  if (!clockTime) return only(t('live.arrival.minutes', minutesOf(earliest, latest)))
  const at = (seconds: number): string => clockTime(now + seconds * 1000)
  const remaining = t('live.arrival.at', { time: at((earliest + latest) / 2) })
  // "About" says as much as both ends of a minute.
  const isNarrow = latest - earliest <= 60
  return {
    remaining,
    detail: isNarrow ? null : t('live.arrival.range', { from: at(earliest), to: at(latest) }),
  }
}

/** "20 to 40 seconds", "2 to 3 minutes". */
const formatRange = (t: T, [earliest, latest]: Range): string =>
  latest < 60
    ? t('live.range.seconds', secondsOf(earliest, latest))
    : t('live.range.minutes', minutesOf(earliest, latest))

/** What it usually takes. A range from below a minute to above one would say little: that is the typical duration. */
export const formatPace = (t: T, { total, typical }: Pick<ServicePace, 'total' | 'typical'>): string =>
  total && (total[0] >= 60 || total[1] < 60) ? formatRange(t, total) : formatRemaining(t, typical)

/** In steps of five seconds, outward, so that the text changes seldom and stays true. */
function secondsOf(earliest: number, latest: number): { from: number; to: number } {
  const to = Math.max(5, Math.ceil(latest / 5) * 5)
  return { from: Math.min(Math.floor(earliest / 5) * 5, to - 5), to }
}

function minutesOf(earliest: number, latest: number): { from: number; to: number } {
  const to = Math.max(1, Math.ceil(latest / 60))
  return { from: Math.min(Math.floor(earliest / 60), to - 1), to }
}
