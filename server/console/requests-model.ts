/** The models of the list of requests and of one request. */
import type { Catalog } from '../../core/catalog/catalog.ts'
import { kindOf } from '../../core/domain/otp-data.ts'
import { isFinal, type RequestRecord, STATUSES, type Status } from '../../core/domain/record.ts'
import { formatCause } from '../../core/domain/request-failure.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import type { TimelineEntry } from '../../core/domain/timeline.ts'
import type { ConsoleTexts } from '../../core/i18n/console-texts.ts'
import { formatElapsed } from '../../core/presentation/describe-steps.ts'
import { formatDuration } from '../../core/presentation/format-duration.ts'
import type { FailedRequest } from '../../core/store/failed-requests.ts'
import { REMOVED } from '../../core/store/failed-requests.ts'
import type { RequestFilter } from '../../core/store/request-list.ts'
import { botAddress, codeMeaning, failureCode, safeTimeline, serviceTitle, stepTitle } from './safe-text.ts'

interface Context {
  catalog: Catalog
  now: number
  texts: ConsoleTexts
}

export const requestHref = (reference: string): string => `/admin/requests/${reference}`

const AGES = [60, 300, 600, 1800, 3600]

/** The filter in an address. What is no filter is left out. */
export function parseFilter(query: Readonly<Record<string, unknown>>): RequestFilter {
  const text = (name: string): string | undefined => String(query[name] ?? '').trim() || undefined
  const state = text('state')
  const older = Number(text('older'))
  return {
    status: STATUSES.includes(state as Status) ? (state as Status) : undefined,
    service: text('service'),
    code: text('code'),
    olderThanSeconds: older > 0 ? older : undefined,
    reference: text('reference'),
  }
}

/** The place in the list where a page begins. */
export const parsePlace = (text: string | null): number => (/^\d{1,9}$/.test(text ?? '') ? Number(text) : 0)

/** The address of another page of the same list. */
export function pageHref(query: URLSearchParams, from: number): string {
  const changed = new URLSearchParams(query)
  changed.delete('from')
  if (from > 0) changed.set('from', String(from))
  return `/admin/requests?${changed}`
}

export function filterModel(filter: RequestFilter, { catalog, texts: { t, locale } }: Context) {
  const option = (value: string, label: string, chosen: string | undefined) => ({
    value,
    label,
    isChosen: value === (chosen ?? ''),
  })
  const { olderThanSeconds } = filter
  return {
    code: filter.code ?? '',
    reference: filter.reference ?? '',
    isOn: Object.values(filter).some((value) => value !== undefined),
    services: [
      option('', t('console.filter.all'), filter.service),
      ...catalog
        .all()
        .map(({ slug }) => option(slug, serviceTitle(catalog, slug, locale) ?? slug, filter.service)),
    ],
    states: [
      option('', t('console.filter.all'), filter.status),
      ...STATUSES.map((status) => option(status, t(`console.state.${status}`), filter.status)),
    ],
    ages: [
      option('', t('console.filter.any'), olderThanSeconds?.toString()),
      ...AGES.map((age) => option(String(age), formatDuration(t, age), olderThanSeconds?.toString())),
    ],
  }
}

export function requestRow(record: RequestRecord, { catalog, now, texts }: Context) {
  const { t, locale } = texts
  const reference = shortReference(record.hash)
  const service = catalog.find(record.service_slug)
  return {
    reference,
    href: requestHref(reference),
    service: serviceTitle(catalog, record.service_slug, locale) ?? t('console.unknown'),
    state: t(`console.state.${record.status}`),
    code: failureCode(record),
    step: isFinal(record.status) || record.step === null ? null : stepTitle(record.step, service, locale),
    progress: t('live.percent', { value: record.progress / 100 }),
    age: formatDuration(t, (now - Date.parse(record.created_at)) / 1000),
  }
}

export function requestDetail(
  record: RequestRecord,
  {
    timeline,
    place,
    job,
    retriedAs,
    ...context
  }: Context & {
    timeline: readonly TimelineEntry[]
    place: number | null
    job: string
    /** The hash of the request that a failed one was sent again as, or `REMOVED`. */
    retriedAs: string | null
  },
) {
  const { catalog, texts } = context
  const { t, locale } = texts
  const service = catalog.find(record.service_slug)
  const code = failureCode(record)
  const { otp_data: asked, status } = record
  return {
    ...requestRow(record, context),
    status,
    meaning: code && codeMeaning(code, service, texts),
    cause: record.error_data?.cause ? formatCause(record.error_data.cause) : null,
    attempt:
      record.attempt === 0
        ? null
        : t('console.attempt_of', { attempt: record.attempt, max: record.max_attempts }),
    times: {
      created: record.created_at,
      due: record.run_at ?? null,
      started: record.started_at,
      updated: record.updated_at,
      nextAttempt: record.next_retry_at,
      ended: record.completed_at,
      deleted: record.expires_at,
    },
    took: formatElapsed(t, record.started_at, record.completed_at),
    bot: botAddress(record.bot),
    place,
    job: job === 'unknown' ? t('console.unknown') : job,
    asks:
      status === 'otp_required' && asked
        ? { kind: t(`console.asks.${kindOf(asked)}`), until: asked.expires_at }
        : null,
    cancelledBy:
      status === 'cancelled' && record.cancelled_by ? t(`console.cancelled_by.${record.cancelled_by}`) : null,
    reason: record.cancel_reason ?? null,
    retryOf: record.retry_of ? shortReference(record.retry_of) : null,
    retriedAs: retriedAs && (retriedAs === REMOVED ? null : shortReference(retriedAs)),
    steps: record.steps.map((step) => ({
      title: stepTitle(step.id, service, locale) ?? t('console.unknown'),
      isPart: step.of !== undefined,
      state:
        step.outcome ? t(step.outcome === 'failed' ? 'live.part.failed' : 'live.part.skipped')
        : t(`live.step.${step.state}`), // biome-ignore format: a table
      took: formatElapsed(t, step.started_at, step.finished_at),
    })),
    timeline: safeTimeline(timeline, service, texts),
    canCancel: !isFinal(status),
    canSendAgain: status === 'failed' && retriedAs === null,
  }
}

/** Of a failed request. */
export function failureRow(failed: FailedRequest & { isKept: boolean }, { catalog, now, texts }: Context) {
  const { t, locale } = texts
  const reference = shortReference(failed.hash)
  const canSendAgain = failed.isKept && failed.retried_as === null
  return {
    reference,
    href: requestHref(reference),
    service: serviceTitle(catalog, failed.service_slug, locale) ?? t('console.unknown'),
    code: failed.code,
    meaning: codeMeaning(failed.code, catalog.find(failed.service_slug), texts),
    cause: failed.cause ? formatCause(failed.cause) : null,
    attempts: failed.attempts,
    ago: t('console.ago', { duration: formatDuration(t, (now - Date.parse(failed.failed_at)) / 1000) }),
    failedAt: failed.failed_at,
    createdAt: failed.created_at,
    canSendAgain,
    again: t(
      failed.retried_as !== null ? 'console.again.done'
      : canSendAgain ? 'console.again.can'
      : 'console.again.over',
    ), // biome-ignore format: a table
  }
}
