/** The entries of a timeline in words. Used by the server for all of them, and by the page for those that arrive. */
import type { Status } from '../domain/record.ts'
import type { TimelineEntry } from '../domain/timeline.ts'
import type { Translate } from '../i18n/formatter.ts'
import type { LiveKey } from '../i18n/index.ts'
import type { Localize } from '../i18n/localize-message.ts'
import { formatDuration } from './format-duration.ts'

export interface DescribedEntry {
  at: string
  /** What it looks like. */
  kind: 'failed' | Status
  text: string
  /** How long it lasted; null for the last one and below a second. */
  lasted: string | null
}

export interface TimelineContext {
  t: Translate<LiveKey>
  read: Localize
  stepTitles: Readonly<Record<string, string>>
}

export const describeTimeline = (
  entries: readonly TimelineEntry[],
  context: TimelineContext,
): DescribedEntry[] =>
  entries.map((entry, i) => ({
    ...describeEntry(entry, entries[i - 1] ?? null, context),
    lasted: describeLasted(entry, entries[i + 1] ?? null, context.t),
  }))

export function describeEntry(
  entry: TimelineEntry,
  before: TimelineEntry | null,
  context: TimelineContext,
): Omit<DescribedEntry, 'lasted'> {
  const { at, status, step } = entry
  const title = step !== null && step !== before?.step ? (context.stepTitles[step] ?? step) : null
  const text = wordsOf(entry, before, context) ?? title ?? context.t(stateKey(entry))
  // Messages end with an ellipsis while something goes on; an entry is in the past.
  return { at, kind: hasFailed(entry) ? 'failed' : status, text: text.replace(/…$/, '') }
}

/** Waits are named as such: they are not the work's. */
export function describeLasted(
  { at, status, next_retry_at }: TimelineEntry,
  next: TimelineEntry | null,
  t: TimelineContext['t'],
): string | null {
  const seconds = next ? (Date.parse(next.at) - Date.parse(at)) / 1000 : 0
  if (seconds < 1) return null
  const duration = formatDuration(t, seconds)
  const isWait = status === 'pending' || status === 'otp_required' || next_retry_at !== undefined
  return isWait ? t('live.timeline.waited', { duration }) : duration
}

/** Of an attempt, or of the request. */
const hasFailed = ({ status, next_retry_at }: TimelineEntry): boolean =>
  status === 'failed' || next_retry_at !== undefined

/** Null when only the step changed. */
function wordsOf(
  entry: TimelineEntry,
  before: TimelineEntry | null,
  context: TimelineContext,
): string | null {
  const { t, read } = context
  const { status, attempt, message } = entry
  if (status === 'cancelled') return t(`live.timeline.cancelled_by.${entry.cancelled_by ?? 'unknown'}`)
  // Words of a bot that have no translation are not the reason in the viewer's words: they are a technical detail.
  const reason = hasFailed(entry) ? read({ ...entry, message: null }) : null
  if (status === 'failed')
    return reason ?? t(attempt > 1 ? 'live.timeline.failed_again' : 'live.timeline.failed', { attempt })
  if (entry.next_retry_at !== undefined)
    return reason === null
      ? t('live.timeline.attempt_failed', { attempt })
      : t('live.timeline.attempt_failed_because', { attempt, reason })
  if (message !== null) return read({ ...entry, message }) || null
  if (attempt !== before?.attempt)
    return attempt === 1 ? t('live.timeline.started') : t('live.timeline.attempt', { attempt })
  return status === before?.status ? null : t(stateKey(entry))
}

/** The status in words. */
const stateKey = ({ status, asked = 'code' }: TimelineEntry): LiveKey =>
  status === 'otp_required' && asked !== 'code' ? 'live.status.answer_required' : `live.status.${status}`
