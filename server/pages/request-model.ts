/** The model of the pages of one request: running, waiting for a code, or finished. */

import type { Service } from '../../core/catalog/service-definition.ts'
import { messagesOfService } from '../../core/catalog/service-messages.ts'
import { toIso } from '../../core/domain/iso-time.ts'
import { isFinal, isScheduled, type PublicView } from '../../core/domain/record.ts'
import type { TimelineEntry } from '../../core/domain/timeline.ts'
import { isExpiring } from '../../core/domain/view-times.ts'
import type { CompiledMessage } from '../../core/i18n/formatter.ts'
import type { LiveKey, Texts } from '../../core/i18n/index.ts'
import { isCodeAhead, type ServicePace } from '../../core/presentation/arrival-text.ts'
import {
  type DescribeContext,
  describeRequest,
  type RequestDescription,
} from '../../core/presentation/describe-request.ts'
import { isViewToken } from '../view-links.ts'
import { type RequestLinks, requestLinks } from './links.ts'
import { localizerFor } from './message-text.ts'
import { serviceLabels } from './service-titles.ts'
import { lastReason, type TimelineModel, timelineModel } from './timeline-model.ts'

/** The data that the page's script starts from. */
export interface PageData {
  view: PublicView
  /** The server's clock in milliseconds, for countdowns: the viewer's may be wrong. */
  now: number
  title: string
  stepTitles: Record<string, string>
  /** Why the attempt before failed; null where that is unknown. */
  reason: string | null
  /** Whether it is seen by a view-only link. */
  isViewer: boolean
  asksForCode: boolean
  /** The last attempt in which the code was asked for; null before. */
  codeAskedIn: number | null
  /** The last entry of the timeline; null where it could not be read. */
  lastEntry: TimelineEntry | null
  links: Pick<RequestLinks, 'progress' | 'result' | 'status'>
  pace: ServicePace
  texts: Readonly<Record<LiveKey, CompiledMessage>>
  /** The messages the request may get, by key; empty once it is final. */
  messages: Readonly<Record<string, CompiledMessage>>
}

export interface RequestModel {
  service: string
  description: RequestDescription
  view: PublicView
  links: RequestLinks
  /** When a scheduled request starts; null for all others. */
  startsAt: string | null
  /** The page of the request that this one tries again. */
  retryOf: string | null
  /** Whether it is seen by a view-only link. */
  isShared: boolean
  /** A code will be asked for, and has not been yet. */
  isCodeAhead: boolean
  /** When the page was written. */
  asOf: string
  /** Whether it is about to be deleted. */
  isExpiring: boolean
  timeline: TimelineModel
  data: PageData
}

const codesOf = (
  service: Service | undefined,
  timeline: readonly TimelineEntry[],
): Pick<PageData, 'asksForCode' | 'codeAskedIn'> => ({
  asksForCode: Boolean(service?.asks_for_code),
  codeAskedIn: timeline.findLast(({ asked }) => asked === 'code')?.attempt ?? null,
})

/** Where only the words of the state are shown. */
export const UNKNOWN_PACE: ServicePace = { total: null, typical: 60, steps: {}, queueSeconds: null }

export function requestModel(
  view: PublicView,
  service: Service | undefined,
  texts: Texts,
  {
    now,
    pace = UNKNOWN_PACE,
    timeline = [],
  }: { now: number; pace?: ServicePace; timeline?: readonly TimelineEntry[] },
): RequestModel {
  const { t, locale, live } = texts
  const { title, stepTitles } = serviceLabels(view, service, locale)
  const links = requestLinks(view)
  const isShared = isViewToken(view.hash)
  const localize = localizerFor(service, locale)
  const last = lastReason(timeline, service, locale)
  const reason = last?.attempt === view.attempt - 1 ? last.reason : null
  const code = codesOf(service, timeline)
  const words: DescribeContext = {
    t,
    read: localize,
    now,
    title,
    stepTitles,
    reason,
    isViewer: isShared,
    ...code,
    pace,
    remainingSeconds: view.estimated_remaining_time,
    earliestSeconds: view.estimated_remaining_range?.[0] ?? null,
  }
  return {
    service: title,
    description: describeRequest(view, words),
    view,
    links,
    startsAt: isScheduled(view) ? view.run_at : null,
    retryOf: view.retry_of && requestLinks({ ...view, hash: view.retry_of }).progress,
    isShared,
    isCodeAhead: isCodeAhead(view, code),
    asOf: toIso(now),
    isExpiring: isExpiring(view, now),
    timeline: timelineModel(timeline, service, stepTitles, texts),
    data: {
      // A result can be large and is already on the page.
      view: { ...view, result_data: null },
      now,
      title,
      stepTitles,
      reason,
      isViewer: isShared,
      ...code,
      lastEntry: timeline.at(-1) ?? null,
      links: { progress: links.progress, result: links.result, status: links.status },
      pace,
      texts: live,
      messages: isFinal(view.status) ? {} : messagesOfService(service, locale),
    },
  }
}
