/** The titles of a request's service. Records of other programs may name a service that is not in the catalogue. */

import type { Service } from '../../core/catalog/service-definition.ts'
import { textIn } from '../../core/catalog/text.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { Locale } from '../../core/i18n/index.ts'
import { humanise } from './humanise.ts'

export interface ServiceLabels {
  title: string
  stepTitles: Record<string, string>
  /** Whether the service has a form, for a new request. */
  hasForm: boolean
}

/** @param service undefined where no service has the view's slug */
export function serviceLabels(view: PublicView, service: Service | undefined, locale: Locale): ServiceLabels {
  const titles = new Map(service?.steps.map((step) => [step.id, textIn(step.title, locale)]))
  return {
    title: service ? textIn(service.title, locale) : humanise(view.service_slug || 'request'),
    stepTitles: Object.fromEntries(view.steps.map(({ id }) => [id, titles.get(id) ?? humanise(id)])),
    hasForm: service !== undefined,
  }
}
