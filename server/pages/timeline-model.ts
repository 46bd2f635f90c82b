/** The model of a request's timeline: folded on the page of a running request, whole on the page of a finished one. */
import type { Service } from '../../core/catalog/service-definition.ts'
import { MAX_STORED_ENTRIES, type TimelineEntry } from '../../core/domain/timeline.ts'
import type { Locale, Texts } from '../../core/i18n/index.ts'
import { type DescribedEntry, describeTimeline } from '../../core/presentation/describe-timeline.ts'
import { localizerFor } from './message-text.ts'

export interface TimelineModel {
  entries: DescribedEntry[]
  /** After the first entry others are missing. */
  isCut: boolean
}

export function timelineModel(
  timeline: readonly TimelineEntry[],
  service: Service | undefined,
  stepTitles: Readonly<Record<string, string>>,
  { t, locale }: Texts,
): TimelineModel {
  const read = localizerFor(service, locale)
  return {
    entries: describeTimeline(timeline, { t, read, stepTitles }),
    isCut: timeline.length > MAX_STORED_ENTRIES,
  }
}

/** Why the last attempt failed of which it is known in the viewer's language. */
export function lastReason(
  timeline: readonly TimelineEntry[],
  service: Service | undefined,
  locale: Locale,
): { attempt: number; reason: string } | null {
  const read = localizerFor(service, locale)
  for (const { next_retry_at, attempt, message_key, message_params } of timeline.toReversed()) {
    const reason = next_retry_at === undefined ? null : read({ message: null, message_key, message_params })
    if (reason) return { attempt, reason }
  }
  return null
}

/** A bot's message about an attempt, which are numbered from 1. */
export interface AttemptMessage {
  attempt: number
  message: string
  /** It is not a text of the catalogue. */
  isOwn: boolean
}

/** The words with which a bot gave up each attempt before the last one. */
export function attemptMessages(
  timeline: readonly TimelineEntry[],
  service: Service | undefined,
): AttemptMessage[] {
  const read = localizerFor(service, 'en')
  return timeline.flatMap(({ next_retry_at, attempt, message, message_key, message_params }) =>
    next_retry_at !== undefined && message !== null
      ? [{ attempt, message, isOwn: read({ message: null, message_key, message_params }) !== message }]
      : [],
  )
}
