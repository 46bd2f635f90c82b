/** The models of the form page and of the list of services. */

import { FIELD_TYPES, type FieldType } from '../../core/catalog/fields.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import { textIn } from '../../core/catalog/text.ts'
import type { AppError } from '../../core/domain/errors.ts'
import type { Locale, Texts } from '../../core/i18n/index.ts'
import { formatDuration, formatRemaining } from '../../core/presentation/format-duration.ts'
import { fieldErrorMessage, MAX_ERRORS } from '../problem.ts'
import { formLink } from './links.ts'
import { adviceFor } from './problem-model.ts'

export interface FormInput {
  /** Created with the form: the same form sent twice creates one request. */
  key: string
  /** Exactly as typed. */
  values: Readonly<Record<string, string>>
  /** Why a submitted form is shown again. */
  refusal?: AppError
}

interface FieldModel {
  id: string
  name: string
  label: string
  hint: string
  /** A valid value. */
  example: string | null
  value: string
  error: string | null
  /** The ids for `aria-describedby`. */
  describedBy: string
  input: FieldType['input']
}

export interface FormModel {
  title: string
  description: string
  action: string
  key: string
  notes: string[]
  fields: FieldModel[]
  summary: FormSummary | null
}

/** The error summary above a refused form. */
interface FormSummary {
  title: string
  /** What to do, when the error concerns no field. */
  lines: string[]
  /** Every field error, in the same words as at the field; `href` is null for an unknown field. */
  mistakes: { text: string; href: string | null }[]
}

export function formModel(
  service: Service,
  { t, locale }: Texts,
  input: FormInput,
  ttlSeconds: number,
): FormModel {
  const mistakes = input.refusal?.errors ?? []
  const fields = service.fields.map((field): FieldModel => {
    const id = `field-${field.name}`
    const label = textIn(field.label, locale)
    const error = mistakes.find((mistake) => mistake.field === field.name)
    return {
      id,
      name: field.name,
      label,
      hint: textIn(field.hint ?? '', locale),
      example: field.example ? localizeDigits(locale, field.example) : null,
      value: input.values[field.name] ?? '',
      error: error ? fieldErrorMessage(t, error, label) : null,
      describedBy: error ? `${id}-error ${id}-hint` : `${id}-hint`,
      input: FIELD_TYPES[field.type as keyof typeof FIELD_TYPES].input,
    }
  })
  return {
    title: textIn(service.title, locale),
    description: textIn(service.description, locale),
    action: formLink(service.slug),
    key: input.key,
    notes: [
      t('form.usually', { duration: formatRemaining(t, service.usual_seconds) }),
      ...(service.asks_for_code ? [t('form.asks_for_code')] : []),
      t('form.kept', { duration: formatDuration(t, ttlSeconds) }),
    ],
    fields,
    summary: input.refusal ? createSummary(input.refusal, fields, t) : null,
  }
}

function createSummary(refusal: AppError, fields: FieldModel[], t: Texts['t']): FormSummary {
  if (!refusal.errors) {
    const hasTyped = fields.some(({ value }) => value !== '')
    const lines = [...adviceFor(refusal, t), ...(hasTyped ? [t('form.kept_typed')] : [])]
    return { title: t(`error.${refusal.code}`), lines, mistakes: [] }
  }
  const known = new Set(fields.map((field) => field.name))
  const others = refusal.errors.filter((mistake) => !known.has(mistake.field))
  const more = others.length - MAX_ERRORS
  return {
    title: t('form.summary'),
    lines: [],
    mistakes: [
      ...fields.flatMap(({ error, id }) => (error ? [{ text: error, href: `#${id}` }] : [])),
      ...others
        .slice(0, MAX_ERRORS)
        .map((mistake) => ({ text: fieldErrorMessage(t, mistake, mistake.field), href: null })),
      ...(more > 0 ? [{ text: t('problem.more_errors', { count: more }), href: null }] : []),
    ],
  }
}

/** An example of digits only, such as a phone number, in the digits of the language; any other example unchanged. */
function localizeDigits(locale: Locale, example: string): string {
  if (!/^\d+$/.test(example)) return example
  const format = new Intl.NumberFormat(locale)
  return example.replace(/\d/g, (digit) => format.format(Number(digit)))
}

export interface ServiceCard {
  title: string
  description: string
  href: string
  notes: string[]
}

export const serviceCard = (service: Service, { t, locale }: Texts): ServiceCard => ({
  title: textIn(service.title, locale),
  description: textIn(service.description, locale),
  href: formLink(service.slug),
  notes: [
    t('services.usually', { duration: formatRemaining(t, service.usual_seconds) }),
    ...(service.asks_for_code ? [t('services.asks_for_code')] : []),
  ],
})
