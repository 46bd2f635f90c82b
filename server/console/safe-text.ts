/**
 * What the console may show of a request. Bots and other programs may put personal data into every text of a record, so only
 * texts of the catalogue, of the service's definition, and identifiers are shown.
 */
import type { Catalog } from '../../core/catalog/catalog.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import { textIn } from '../../core/catalog/text.ts'
import { isRequestFailureCode } from '../../core/domain/errors.ts'
import type { RequestRecord } from '../../core/domain/record.ts'
import type { TimelineEntry } from '../../core/domain/timeline.ts'
import type { ConsoleTexts } from '../../core/i18n/console-texts.ts'
import type { MessageParams } from '../../core/i18n/localize-message.ts'
import { describeTimeline } from '../../core/presentation/describe-timeline.ts'
import { stepForLog } from '../../core/runtime/log.ts'
import { safeCode } from '../../core/store/failed-requests.ts'
import { humanise } from '../pages/humanise.ts'
import { localizerFor } from '../pages/message-text.ts'
import type { TimelineModel } from '../pages/timeline-model.ts'

/** The title of a service; null for one that a record of another program names. */
export function serviceTitle(catalog: Pick<Catalog, 'find'>, slug: string, locale: string): string | null {
  const service = catalog.find(slug)
  return service ? textIn(service.title, locale) : /^[a-z][a-z-]{0,63}$/.test(slug) ? slug : null
}

export function stepTitle(step: string, service: Service | undefined, locale: string): string | null {
  const known = service?.steps.find(({ id }) => id === step)
  if (known) return textIn(known.title, locale)
  const { step: identifier } = stepForLog(step)
  return identifier === undefined ? null : humanise(identifier)
}

export const failureCode = ({ status, error_data }: RequestRecord): string | null =>
  status === 'failed' ? (safeCode(error_data?.code) ?? 'failed') : null

/** What a code means, for those that are Halfway's own or of the service's definition. */
export function codeMeaning(
  code: string,
  service: Service | undefined,
  { t, locale }: ConsoleTexts,
): string | null {
  if (isRequestFailureCode(code)) return t(`error.${code}`)
  return localizerFor(service, locale)({ message: null, message_key: code })
}

export function botAddress(bot: string | undefined): string | null {
  return bot !== undefined && URL.canParse(bot) ? new URL(bot).origin : null
}

/** The timeline without the words of bots: texts of keys, with numbers in them, but no other parameters. */
export function safeTimeline(
  timeline: readonly TimelineEntry[],
  service: Service | undefined,
  { t, locale }: ConsoleTexts,
): TimelineModel {
  const localize = localizerFor(service, locale)
  const titles = timeline.flatMap(({ step }): [string, string][] =>
    step === null ? [] : [[step, stepTitle(step, service, locale) ?? t('console.unknown')]],
  )
  const entries = timeline.map((entry) => ({
    ...entry,
    message: entry.message === null ? null : '',
    message_params: numbersOf(entry.message_params),
  }))
  return {
    entries: describeTimeline(entries, {
      t,
      read: (message) => localize({ ...message, message: null }) ?? message.message,
      stepTitles: Object.fromEntries(titles),
    }),
    isCut: false,
  }
}

const numbersOf = (params: MessageParams = {}): MessageParams =>
  Object.fromEntries(Object.entries(params).filter(([, value]) => typeof value === 'number'))
