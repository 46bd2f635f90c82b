/** What the form page and the list of services show. */

import type { Service } from '../../core/catalog/define-service.ts'
import { FIELD_TYPES, type FieldType } from '../../core/catalog/fields.ts'
import type { AppError } from '../../core/domain/errors.ts'
import type { Locale, Texts } from '../../core/i18n/index.ts'
import { formatDuration, formatRemaining } from '../../core/presentation/format-duration.ts'
import { fieldErrorMessage, MAX_ERRORS } from '../problem.ts'
import { formLink } from './links.ts'
import { adviceFor } from './problem-model.ts'

export interface FormInput {
  /** Made when the form is written: the same form sent twice makes one request. */
  key: string
  /** As typed. */
  values: Readonly<Record<string, string>>
  /** Why it is shown again, when it was sent and not taken. */
  refusal?: AppError
}

interface FieldModel {
  id: string
  name: string
  label: string
  hint: string
  /** Something that would be right here. */
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

/** On top of a form that was not taken. */
interface FormSummary {
  title: string
  /** What to do, where no field is to blame. */
  lines: string[]
  /** Every mistake, in the words that also stand at the field; `href` is null where there is no such field. */
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
    const label = field.label[locale]
    const error = mistakes.find((mistake) => mistake.field === field.name)
    return {
      id,
      name: field.name,
      label,
      hint: field.hint[locale],
      example: field.example ? localizeDigits(locale, field.example) : null,
      value: input.values[field.name] ?? '',
      error: error ? fieldErrorMessage(t, error, label) : null,
      describedBy: error ? `${id}-error ${id}-hint` : `${id}-hint`,
      input: FIELD_TYPES[field.type].input,
    }
  })
  return {
    title: service.title[locale],
    description: service.description[locale],
    action: formLink(service.slug),
    key: input.key,
    notes: [
      t('form.usually', { duration: formatRemaining(t, service.estimatedSeconds) }),
      ...(service.usesOtp ? [t('form.asks_for_code')] : []),
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

/** A number that is a name, such as a phone's, with the digits of the language; anything else stays as it is typed. */
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
  title: service.title[locale],
  description: service.description[locale],
  href: formLink(service.slug),
  notes: [
    t('services.usually', { duration: formatRemaining(t, service.estimatedSeconds) }),
    ...(service.usesOtp ? [t('services.asks_for_code')] : []),
  ],
})
