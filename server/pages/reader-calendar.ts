/**
 * Dates of forms in the calendar of the page's language. A Persian page asks for ۱۳۷۵/۰۶/۲۱, the day that a program sends as
 * 1996-09-11: the date fields of browsers know the Gregorian calendar only.
 */
import { readDate } from '../../core/catalog/field-date.ts'
import type { Field } from '../../core/catalog/field-definition.ts'
import { toLatinDigits, withoutInvisible } from '../../core/domain/digits.ts'
import type { Locale } from '../../core/i18n/index.ts'
import { localizeDigits } from '../../core/i18n/localize-digits.ts'

const DAY_MS = 86_400_000
/** The search range of typed dates, in days since 1970. */
const FIRST_DAY = Date.UTC(1000, 0, 1) / DAY_MS
const LAST_DAY = Date.UTC(3000, 0, 1) / DAY_MS

/** @returns the name of its calendar, such as `persian`; null if it is Gregorian, as the date fields of browsers are */
export function ownCalendarOf(locale: Locale): string | null {
  const { calendar } = new Intl.DateTimeFormat(locale).resolvedOptions()
  return calendar === 'gregory' ? null : calendar
}

export const isCalendar = (name: unknown): name is string =>
  typeof name === 'string' && Intl.supportedValuesOf('calendar').includes(name)

/** @param iso a date such as 1996-09-11. @returns it in the calendar and the digits of the language */
export function writeCalendarDate(locale: Locale, iso: string): string {
  const calendar = ownCalendarOf(locale)
  if (calendar === null) return localizeDigits(locale, iso)
  const [year, month, day] = partsOf(calendar, Date.parse(iso) / DAY_MS)
  const padded = [month, day].map((part) => String(part).padStart(2, '0'))
  return localizeDigits(locale, [year, ...padded].join('/'))
}

/** Values that were submitted before, as a form of the language shows them. */
export function writeCalendarDates(
  locale: Locale,
  fields: readonly Pick<Field, 'name' | 'type'>[],
  values: Record<string, unknown> | null,
): Record<string, unknown> | null {
  if (values === null || ownCalendarOf(locale) === null) return values
  const dates = fields.flatMap(({ name, type }): [string, string][] => {
    const value = type === 'date' && Object.hasOwn(values, name) ? readDate(String(values[name])) : null
    return value === null ? [] : [[name, writeCalendarDate(locale, value)]]
  })
  return { ...values, ...Object.fromEntries(dates) }
}

/**
 * Reads a typed date, with or without separators. A date is taken as Gregorian if its year is nearer to today that way.
 * @returns it as 1996-09-11; null for anything that is no day of the calendar
 */
export function readCalendarDate(calendar: string, text: string, today = new Date()): string | null {
  const typed = toLatinDigits(withoutInvisible(text)).trim()
  const match = /^(\d{3,4})[-/. ](\d{1,2})[-/. ](\d{1,2})$/.exec(typed) ?? /^(\d{4})(\d\d)(\d\d)$/.exec(typed)
  if (!match) return null
  const [year = 0, month = 0, day = 0] = match.slice(1).map(Number)
  const [ownYear = 0] = partsOf(calendar, Math.floor(today.getTime() / DAY_MS))
  if (Math.abs(year - today.getUTCFullYear()) < Math.abs(year - ownYear))
    return readDate(match.slice(1).join('-'))
  const found = findDay(calendar, [year, month, day])
  return found === null ? null : new Date(found * DAY_MS).toISOString().slice(0, 10)
}

/** Binary search by days: later days have later dates. */
function findDay(calendar: string, date: readonly number[]): number | null {
  let [low, high] = [FIRST_DAY, LAST_DAY]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (compare(partsOf(calendar, middle), date) < 0) low = middle + 1
    else high = middle
  }
  return compare(partsOf(calendar, low), date) === 0 ? low : null
}

const compare = (a: readonly number[], b: readonly number[]): number => {
  const i = a.findIndex((part, n) => part !== b[n])
  return i < 0 ? 0 : a[i]! - b[i]!
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** @param day since 1970. @returns year, month and day in the calendar */
function partsOf(calendar: string, day: number): number[] {
  const format =
    formats.get(calendar) ??
    new Intl.DateTimeFormat(`en-u-ca-${calendar}-nu-latn`, {
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      timeZone: 'UTC',
    })
  formats.set(calendar, format)
  const parts = format.formatToParts(day * DAY_MS)
  return (['year', 'month', 'day'] as const).map((type) =>
    Number(parts.find((part) => part.type === type)?.value),
  )
}
