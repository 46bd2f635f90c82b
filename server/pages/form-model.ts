/** The models of the form page and of the list of services. */

import type { Service } from '../../core/catalog/service-definition.ts'
import { textIn } from '../../core/catalog/text.ts'
import type { AppError } from '../../core/domain/errors.ts'
import type { Texts } from '../../core/i18n/index.ts'
import type { ServicePace } from '../../core/presentation/arrival-text.ts'
import { formatPace } from '../../core/presentation/arrival-text.ts'
import { formatDuration, formatRemaining } from '../../core/presentation/format-duration.ts'
import type { Controls } from '../../core/store/operator-controls.ts'
import { fieldErrorMessage, MAX_ERRORS } from '../problem.ts'
import { type FieldModel, fieldModels } from './field-model.ts'
import { formLink } from './links.ts'
import { adviceFor } from './problem-model.ts'
import { ownCalendarOf } from './reader-calendar.ts'

export interface FormInput {
  /** Created with the form: the same form sent twice creates one request. */
  key: string
  /** Exactly as typed, or as stored in a request; null in a new form, which has the defaults. */
  values: Readonly<Record<string, unknown>> | null
  /** Why a submitted form is shown again. */
  refusal?: AppError
  /** How many requests wait in its queue. */
  waiting?: number
}

export interface FormModel {
  title: string
  icon: string | null
  description: string
  action: string
  key: string
  /** The calendar of its date fields; null if it is Gregorian, or without date fields. */
  calendar: string | null
  notes: string[]
  notice: ServiceNotice | null
  fields: FieldModel[]
  summary: FormSummary | null
}

/** The error summary above a refused form. */
interface FormSummary {
  title: string
  /** What to do: when the error concerns no field, and about secrets, which are not kept. */
  lines: string[]
  /** Every field error, in the same words as at the field; `href` is null for an unknown field. */
  mistakes: { text: string; href: string | null }[]
}

export interface FormContext {
  ttlSeconds: number
  isSilent: boolean
  pace: ServicePace
  notice?: ServiceNotice | null
}

/** What an operator, or repeated failures, changed for everyone. */
export interface ServiceNotice {
  title: string
  /** The operator's own words. */
  message: string | null
  /** Nothing can be sent. */
  isClosed: boolean
}

export function formModel(
  service: Service,
  texts: Texts,
  { key, values, refusal, waiting = 0 }: FormInput,
  { ttlSeconds, isSilent, pace, notice = null }: FormContext,
): FormModel {
  const { t, locale } = texts
  const fields = fieldModels({ fields: service.fields, values, mistakes: refusal?.errors ?? [] }, texts)
  return {
    title: textIn(service.title, locale),
    icon: service.icon ?? null,
    description: textIn(service.description, locale),
    action: formLink(service.slug),
    key,
    calendar: service.fields.some(({ type }) => type === 'date') ? ownCalendarOf(locale) : null,
    notice,
    notes: [
      ...(isSilent ? [t('form.may_take_longer')] : []),
      t(pace.total ? 'form.lately' : 'form.usually', { duration: formatPace(t, pace) }),
      ...(waiting > 0 ? [waitingNote(waiting, pace, texts)] : []),
      ...(service.asks_for_code ? [t('form.asks_for_code')] : []),
      t('form.kept', { duration: formatDuration(t, ttlSeconds) }),
    ],
    fields,
    summary: refusal ? createSummary(refusal, fields, texts) : null,
  }
}

function waitingNote(count: number, { queueSeconds }: ServicePace, { t }: Texts): string {
  if (queueSeconds === null) return t('form.waiting', { count })
  return t('form.waiting_for', { count, duration: formatRemaining(t, Math.max(1, count * queueSeconds)) })
}

function createSummary(refusal: AppError, fields: FieldModel[], texts: Texts): FormSummary {
  const { t } = texts
  const typeAgain = fields
    .filter(({ isSecret, applies, error }) => isSecret && applies && error === null)
    .map(({ label }) => t('form.secret_again', { label }))
  if (!refusal.errors) {
    const hasTyped = fields.some(({ value }) => value !== '')
    const lines = [...adviceFor(refusal, t), ...(hasTyped ? [t('form.kept_typed')] : []), ...typeAgain]
    return { title: t(`error.${refusal.code}`), lines, mistakes: [] }
  }
  const known = new Set(fields.map((field) => field.name))
  const others = refusal.errors.filter((mistake) => !known.has(mistake.field))
  const more = others.length - MAX_ERRORS
  return {
    title: t('form.summary'),
    lines: typeAgain,
    mistakes: [
      ...fields.flatMap(({ error, id }) => (error ? [{ text: error, href: `#${id}` }] : [])),
      ...others
        .slice(0, MAX_ERRORS)
        .map((mistake) => ({ text: fieldErrorMessage(texts, mistake, mistake.field), href: null })),
      ...(more > 0 ? [{ text: t('problem.more_errors', { count: more }), href: null }] : []),
    ],
  }
}

export function serviceNotice(
  { slug, queue }: Pick<Service, 'slug' | 'queue'>,
  { closed, held }: Controls,
  t: Texts['t'],
): ServiceNotice | null {
  const closure = closed.get(slug)
  if (closure?.by === 'failures')
    return { title: t('form.failing'), message: closure.message, isClosed: false }
  if (closure) return { title: t('error.service_closed'), message: closure.message, isClosed: true }
  const hold = held.get(queue.name)
  return hold ? { title: t('form.held'), message: hold.message, isClosed: false } : null
}

export interface ServiceCard {
  title: string
  icon: string | null
  description: string
  href: string
  notes: string[]
}

export const serviceCard = (
  service: Service,
  { t, locale }: Texts,
  pace: ServicePace,
  notice: ServiceNotice | null,
): ServiceCard => ({
  title: textIn(service.title, locale),
  icon: service.icon ?? null,
  description: textIn(service.description, locale),
  href: formLink(service.slug),
  notes: [
    ...(notice?.isClosed ? [t('services.closed')] : []),
    t('live.arrival.usually', { duration: formatPace(t, pace) }),
    ...(service.asks_for_code ? [t('services.asks_for_code')] : []),
  ],
})
