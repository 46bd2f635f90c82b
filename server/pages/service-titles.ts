/** The titles of a request's service. Records of other programs may name a service that is not in the catalogue. */

import type { ResultField } from '../../core/catalog/result-definition.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import { type Text, textIn } from '../../core/catalog/text.ts'
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

/** @param service undefined where no service has the view's slug */
export function serviceLabels(view: PublicView, service: Service | undefined, locale: Locale): ServiceLabels {
  const titles = new Map(service?.steps.map((step) => [step.id, textIn(step.title, locale)]))
  const labels = new Map(labelsBelow(service?.result.fields ?? []))
  return {
    title: service ? textIn(service.title, locale) : humanise(view.service_slug || 'request'),
    stepTitles: Object.fromEntries(view.steps.map(({ id }) => [id, titles.get(id) ?? humanise(id)])),
    labelOf: (name) => textIn(labels.get(name) ?? humanise(name), locale),
    headline: service?.result.headline ?? null,
    hasForm: service !== undefined,
  }
}

/** The labels of result fields at any depth. */
const labelsBelow = (fields: readonly ResultField[]): [string, Text][] =>
  fields.flatMap(({ name, label, columns = [] }) => [...labelsBelow(columns), [name, label]])
