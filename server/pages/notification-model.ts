/** The words of a notification, for a service worker that was woken by an empty push. */
import type { Service } from '../../core/catalog/service-definition.ts'
import { newsOf } from '../../core/domain/news.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { TextKey } from '../../core/i18n/en.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { currentPageLink } from './links.ts'
import { requestModel } from './request-model.ts'

export interface NotificationModel {
  /** Which news this is (`newsOf`): a browser that has shown it does not call attention to it again. */
  news: string
  title: string
  body: string
  /** The page that it leads to, relative to the server. */
  url: string
  lang: string
  dir: 'ltr' | 'rtl'
  /** Nothing more is shown of it from then on. */
  expires_at: string
}

export function notificationModel(
  view: PublicView,
  service: Service | undefined,
  texts: Texts,
  now: number,
): NotificationModel {
  return {
    news: newsOf(view),
    title: requestModel(view, service, texts, { now }).description.title,
    body: texts.t(bodyKey(view)),
    url: currentPageLink(view),
    lang: texts.locale,
    dir: texts.dir,
    expires_at: view.expires_at,
  }
}

const bodyKey = ({ status, otp_data: prompt }: PublicView): TextKey => {
  switch (status) {
    case 'completed':
      return 'result.title'
    case 'failed':
      return 'failed.lead'
    case 'cancelled':
      return 'cancelled.lead'
    case 'otp_required':
      return prompt?.kind === 'code' ? 'live.announce.code' : 'live.announce.answer'
    default:
      return `live.status.${status}`
  }
}
