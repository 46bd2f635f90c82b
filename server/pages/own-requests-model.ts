/** The model of the list of a browser's requests on the home page. Nothing that was typed, and no message of a bot. */
import type { Catalog } from '../../core/catalog/catalog.ts'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { describeRequest } from '../../core/presentation/describe-request.ts'
import { currentPageLink } from './links.ts'
import { UNKNOWN_PACE } from './request-model.ts'
import { serviceLabels } from './service-titles.ts'

export interface OwnRequest {
  hash: string
  version: number
  title: string
  href: string
  status: PublicView['status']
  state: string
  /** Null once it has ended. */
  progress: { value: number; text: string } | null
  createdAt: string
  /** Null while it runs. */
  endedAt: string | null
}

/** Requests that need a code or an answer come first, then the others that run. */
export function ownRequestsModel(
  views: readonly PublicView[],
  catalog: Pick<Catalog, 'find'>,
  { t, locale }: Texts,
  now: number,
): OwnRequest[] {
  const inOrder = views.toSorted((a, b) => rankOf(a) - rankOf(b))
  return inOrder.map((view) => {
    const { title, stepTitles } = serviceLabels(view, catalog.find(view.service_slug), locale)
    const { heading, percent } = describeRequest(view, {
      t,
      read: () => '',
      now,
      title,
      stepTitles,
      remainingSeconds: view.estimated_remaining_time,
      earliestSeconds: null,
      pace: UNKNOWN_PACE,
    })
    return {
      hash: view.hash,
      version: view.version,
      title,
      href: currentPageLink(view),
      status: view.status,
      state: heading,
      progress: isFinal(view.status) ? null : { value: view.progress, text: percent },
      createdAt: view.created_at,
      endedAt: view.completed_at,
    }
  })
}

const rankOf = ({ requires_otp, status }: PublicView): number => (requires_otp ? 0 : isFinal(status) ? 2 : 1)
