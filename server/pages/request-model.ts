/** The model of the pages of one request: running, waiting for a code, or finished. */

import type { Service } from '../../core/catalog/service-definition.ts'
import { messagesOfService } from '../../core/catalog/service-messages.ts'
import { isFinal, isScheduled, type PublicView } from '../../core/domain/record.ts'
import { isExpiring } from '../../core/domain/view-times.ts'
import type { CompiledMessage } from '../../core/i18n/formatter.ts'
import type { LiveKey, Texts } from '../../core/i18n/index.ts'
import { describeRequest, type RequestDescription } from '../../core/presentation/describe-request.ts'
import { type RequestLinks, requestLinks } from './links.ts'
import { localizerFor } from './message-text.ts'
import { serviceLabels } from './service-titles.ts'

/** The data that the page's script starts from. */
export interface PageData {
  view: PublicView
  /** The server's clock in milliseconds, for countdowns: the viewer's may be wrong. */
  now: number
  title: string
  stepTitles: Record<string, string>
  links: Pick<RequestLinks, 'progress' | 'result' | 'status'>
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
  /** Whether it is about to be deleted. */
  isExpiring: boolean
  data: PageData
}

export function requestModel(
  view: PublicView,
  service: Service | undefined,
  { t, locale, live }: Texts,
  now: number,
): RequestModel {
  const { title, stepTitles } = serviceLabels(view, service, locale)
  const links = requestLinks(view)
  const localize = localizerFor(service, locale)
  const remainingSeconds = view.estimated_remaining_time
  return {
    service: title,
    description: describeRequest(view, { t, read: localize, now, title, stepTitles, remainingSeconds }),
    view,
    links,
    startsAt: isScheduled(view) ? view.run_at : null,
    isExpiring: isExpiring(view, now),
    data: {
      // A result can be large and is already on the page.
      view: { ...view, result_data: null },
      now,
      title,
      stepTitles,
      links: { progress: links.progress, result: links.result, status: links.status },
      texts: live,
      messages: isFinal(view.status) ? {} : messagesOfService(service, locale),
    },
  }
}
