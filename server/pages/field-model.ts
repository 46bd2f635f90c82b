/** The model of one field of a form. */
import { readDate } from '../../core/catalog/field-date.ts'
import type { Field } from '../../core/catalog/field-definition.ts'
import { type FieldValue, fieldTypeOf, readFieldValue } from '../../core/catalog/field-value.ts'
import type { InputAttributes } from '../../core/catalog/fields.ts'
import { expectedValue, isShown } from '../../core/catalog/show-when.ts'
import { textIn } from '../../core/catalog/text.ts'
import type { FieldError } from '../../core/domain/errors.ts'
import type { Locale, Texts } from '../../core/i18n/index.ts'
import { localizeDigits } from '../../core/i18n/localize-digits.ts'
import { EXAMPLE_DATE, fieldErrorMessage } from '../problem.ts'
import { ownCalendarOf, readCalendarDate, writeCalendarDate } from './reader-calendar.ts'

/** Up to this many options are radio buttons. */
const MAX_RADIOS = 5

interface OptionModel {
  id: string
  value: string
  label: string
  isChosen: boolean
}

export interface FieldModel {
  /** The control's; of a group the first one's, which a link to the field must focus. */
  id: string
  name: string
  label: string
  control: 'input' | 'textarea' | 'select' | 'radios' | 'checkboxes' | 'checkbox'
  isRequired: boolean
  isSecret: boolean
  hint: string | null
  /** A valid value. */
  example: string | null
  /** On what it depends, for people and for the script. */
  condition: { text: string; field: string; values: string } | null
  /** Whether its condition is met by the shown values. */
  applies: boolean
  /** What is typed; of a checkbox "true" or nothing. */
  value: string
  options: OptionModel[]
  error: string | null
  /** The ids for `aria-describedby`. */
  describedBy: string | null
  input: InputAttributes
  /** Bounds of a date. */
  min: string | null
  max: string | null
}

export interface FieldModelInput {
  fields: readonly Field[]
  /** As typed, or as stored in a request; null in a new form, which has the defaults. */
  values: Readonly<Record<string, unknown>> | null
  mistakes: readonly FieldError[]
}

export function fieldModels({ fields, values, mistakes }: FieldModelInput, texts: Texts): FieldModel[] {
  const data: Record<string, FieldValue> = {}
  return fields.map((field) => {
    const mistake = mistakes.find((each) => each.field === field.name)
    const value = shownValue(field, values)
    // A refused field is shown whatever its condition: its error must be seen.
    const applies = mistake !== undefined || isShown(field, fields, data)
    const read = applies ? readTyped(field, value) : null
    if (read?.ok) data[field.name] = read.value
    return {
      ...fieldModel(field, value, mistake, texts),
      condition: describeCondition(field, fields, texts),
      applies,
    }
  })
}

const readTyped = (field: Field, value: string | string[]) =>
  readFieldValue(field, field.type === 'checkbox' && value === '' ? false : value)

/** Secrets are never shown again. */
function shownValue(field: Field, values: FieldModelInput['values']): string | string[] {
  if (field.type === 'secret') return ''
  if (values) return toTyped(Object.hasOwn(values, field.name) ? values[field.name] : undefined)
  const read = field.default === undefined ? null : readFieldValue(field, field.default)
  return read?.ok ? toTyped(read.value) : ''
}

/** As a form sends it. Another program may have stored any JSON. */
function toTyped(value: unknown): string | string[] {
  if (Array.isArray(value)) return value.filter((each) => typeof each === 'string')
  if (value === false) return ''
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : ''
}

function fieldModel(
  field: Field,
  value: string | string[],
  mistake: FieldError | undefined,
  texts: Texts,
): Omit<FieldModel, 'condition' | 'applies'> {
  const { locale } = texts
  const id = `field-${field.name}`
  const label = textIn(field.label, locale)
  const control = controlOf(field)
  const hint = field.hint === undefined ? null : textIn(field.hint, locale)
  const calendar = field.type === 'date' ? ownCalendarOf(locale) : null
  const example = exampleOf(field, calendar, locale)
  const described = [
    mistake && `${id}-error`,
    (hint ?? example) !== null && `${id}-hint`,
    field.show_when && `${id}-condition`,
  ].filter(Boolean)
  return {
    id,
    name: field.name,
    label,
    control,
    isRequired: field.required,
    isSecret: field.type === 'secret',
    hint,
    example,
    value: control === 'checkbox' && value !== 'true' ? '' : [value].flat().join(', '),
    options: optionModels(field, id, [value].flat(), texts),
    error: mistake ? fieldErrorMessage(texts, mistake, label, writeCalendarDate) : null,
    describedBy: described.length > 0 ? described.join(' ') : null,
    input: inputAttributes(field),
    min: typeof field.min === 'string' ? field.min : null,
    max: typeof field.max === 'string' ? field.max : null,
    ...(calendar !== null && typedDate(calendar, field, String(value), locale)),
  }
}

/** A date of a calendar that the date fields of browsers do not have is typed as text. */
function typedDate(
  calendar: string,
  field: Field,
  value: string,
  locale: Locale,
): Pick<FieldModel, 'value' | 'input' | 'min' | 'max'> {
  const iso = readCalendarDate(calendar, value)
  return {
    value: iso === null ? value : writeCalendarDate(locale, iso),
    // Numeric keyboards of phones have no separators.
    input: { ...inputAttributes(field), type: 'text', inputmode: undefined, dir: 'ltr', size: 10 },
    min: null,
    max: null,
  }
}

/** @param calendar of a date that is typed, which needs an example to show how */
function exampleOf({ example }: Field, calendar: string | null, locale: Locale): string | null {
  if (calendar !== null) return writeCalendarDate(locale, readDate(example ?? '') ?? EXAMPLE_DATE)
  return example === undefined ? null : localizeExample(locale, example)
}

function controlOf({ type, options = [] }: Field): FieldModel['control'] {
  const { control } = fieldTypeOf(type)
  if (control === 'choice') return options.length > MAX_RADIOS ? 'select' : 'radios'
  return control === 'choices' ? 'checkboxes' : control
}

function inputAttributes({ type, autocomplete, min }: Field): InputAttributes {
  const { input } = fieldTypeOf(type)
  // Keyboards for decimals have no minus sign.
  const isSigned = typeof min === 'number' && min < 0
  return {
    ...input,
    ...(autocomplete !== undefined && { autocomplete }),
    ...(isSigned && { inputmode: 'text' }),
  }
}

function optionModels(
  field: Field,
  id: string,
  chosen: readonly string[],
  { t, locale }: Texts,
): OptionModel[] {
  const options = (field.options ?? []).map(({ value, label }) => ({ value, label: textIn(label, locale) }))
  // A radio button cannot be cleared.
  if (controlOf(field) === 'radios' && !field.required) options.push({ value: '', label: t('form.none') })
  const known = options.some(({ value }) => chosen.includes(value))
  return options.map(({ value, label }, i) => ({
    id: i === 0 ? id : `${id}-${i + 1}`,
    value,
    label,
    isChosen: chosen.includes(value) || (value === '' && !known),
  }))
}

function describeCondition(
  { show_when }: Field,
  fields: readonly Field[],
  { t, locale }: Texts,
): FieldModel['condition'] {
  const other = fields.find(({ name }) => name === show_when?.field)
  if (!show_when || !other) return null
  const label = textIn(other.label, locale)
  const expected = expectedValue(show_when, fields)
  // "Not ticked" is no value.
  const values = JSON.stringify(expected === false ? [] : [expected].flat().map(String))
  if (typeof expected === 'boolean') {
    const key = expected ? 'form.only_if_ticked' : 'form.only_if_not_ticked'
    return { text: t(key, { label }), field: other.name, values }
  }
  const labels = [expected].flat().map((value) => labelOf(other, String(value), locale))
  const value = new Intl.ListFormat(locale).format(labels)
  return { text: t('form.only_if', { label, value }), field: other.name, values }
}

function labelOf({ options = [] }: Field, value: string, locale: Locale): string {
  const option = options.find((each) => each.value === value)
  return option ? textIn(option.label, locale) : localizeExample(locale, value)
}

/** An example of digits only, such as a phone number, in the digits of the language; any other example unchanged. */
const localizeExample = (locale: Locale, example: string): string =>
  /^\d+$/.test(example) ? localizeDigits(locale, example) : example
