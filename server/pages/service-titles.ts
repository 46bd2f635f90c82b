/** The titles of a request's service. Records of other programs may name a service that is not in the catalogue. */

import { findService } from '../../core/catalog/index.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { Locale } from '../../core/i18n/index.ts'
import { humanise } from './humanise.ts'

export interface ServiceLabels {
  title: string
  stepTitles: Record<string, string>
  /** The label of a name in the result. */
  labelOf(name: string): string
  /** The name of the result's value that is shown first, in large type. */
  headline: string | null
  /** Whether the service has a form, for a new request. */
  hasForm: boolean
}

export function serviceLabels(view: PublicView, locale: Locale): ServiceLabels {
  const service = findService(view.service_slug)
  const titles = new Map(service?.steps.map((step) => [step.id, step.title[locale]]))
  const labels = new Map(Object.entries(service?.resultLabels ?? {}))
  return {
    title: service?.title[locale] ?? humanise(view.service_slug || 'request'),
    stepTitles: Object.fromEntries(view.steps.map(({ id }) => [id, titles.get(id) ?? humanise(id)])),
    labelOf: (name) => labels.get(name)?.[locale] ?? humanise(name),
    headline: service?.headline ?? null,
    hasForm: service !== undefined,
  }
}
