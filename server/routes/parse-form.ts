/** Parses a posted form into the submitted values, by the hidden key and calendar of the page. */
import express, { type Request } from 'express'
import { MAX_TEXT_CHARACTERS } from '../../core/catalog/fields.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import { isCalendar, readCalendarDate } from '../pages/reader-calendar.ts'
import { MAX_FORM_FIELDS } from '../problem.ts'

/** Longer values are invalid: their beginning is enough to see why. */
const MAX_SHOWN_CHARACTERS = MAX_TEXT_CHARACTERS + 100
const MAX_SHOWN_CHOICES = 200
/** For a day that the calendar of the page does not have: the same text could be a day of the Gregorian one. */
const NOT_A_DATE = 'not a date'

/** Reads the body of a posted form. The forms of the pages have few fields. */
export const readForm = express.urlencoded({
  extended: false,
  limit: '64kb',
  parameterLimit: MAX_FORM_FIELDS,
})

export interface TypedForm {
  /** The form's hidden key; null without a valid one. */
  key: string | null
  /** The unvalidated fields, for the service. Dates in the calendar of the page are as a program would send them. */
  requestData: Record<string, unknown>
  /** The same as text, for showing them again: without secrets, and without fields that the form does not have. */
  values: Record<string, string | string[]>
}

export function parseFormBody(req: Request, { fields }: Pick<Service, 'fields'>): TypedForm {
  const { _key: key, _calendar: calendar, ...requestData } = (req.body ?? {}) as Record<string, unknown>
  const shown = fields.filter(({ name, type }) => type !== 'secret' && Object.hasOwn(requestData, name))
  const values = shown.map(({ name, type }) => {
    const value = requestData[name]
    const isList = type === 'choices' && Array.isArray(value)
    return [name, isList ? value.slice(0, MAX_SHOWN_CHOICES).map(toShownText) : toShownText(value)]
  })
  if (isCalendar(calendar))
    for (const { name, type } of fields) {
      const typed = requestData[name]
      if (type === 'date' && typeof typed === 'string' && typed.trim() !== '')
        requestData[name] = readCalendarDate(calendar, typed) ?? NOT_A_DATE
    }
  return {
    key: typeof key === 'string' && /^[\w-]{10,64}$/.test(key) ? key : null,
    values: Object.fromEntries(values),
    requestData,
  }
}

const toShownText = (value: unknown): string => String(value).slice(0, MAX_SHOWN_CHARACTERS)
