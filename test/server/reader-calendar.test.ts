/** Dates of forms in the calendar of the page's language. */
import { load } from 'cheerio'
import { expect, inject, test } from 'vitest'
import {
  ownCalendarOf,
  readCalendarDate,
  writeCalendarDate,
  writeCalendarDates,
} from '../../server/pages/reader-calendar.ts'
import { fieldOf, serveForm, serviceWith } from '../helpers/all-fields.ts'
import { openBrowser, textOf } from './page-browser.ts'

const DAY_MS = 86_400_000
const TODAY = new Date('2026-12-01')
const read = (text: string, calendar = 'persian') => readCalendarDate(calendar, text, TODAY)

const born = fieldOf({
  name: 'born',
  type: 'date',
  min: '1950-01-01',
  max: '2020-12-31',
  autocomplete: 'bday',
})
const service = serviceWith(born)
const browser = openBrowser(await serveForm(service, inject('assets')))
const FORM = `/services/${service.slug}?lang=`
const typed = (born: string, calendar?: string) => ({ born, ...(calendar && { _calendar: calendar }) })

test.each([
  ['۱۳۷۵/۰۶/۲۱', '1996-09-11'],
  ['1375-6-21', '1996-09-11'],
  ['۱۳۷۵۰۶۲۱', '1996-09-11'],
  [' ‏۱۴۰۴/۱/۱ ', '2025-03-21'],
  ['1403/12/30', '2025-03-20'],
  // Nearer to today as a Gregorian year.
  ['1996/9/11', '1996-09-11'],
  ['19960911', '1996-09-11'],
  ['2026 01 31', '2026-01-31'],
])('the Persian date %j is %s', (text, iso) => {
  expect(read(text)).toBe(iso)
})

test.each(['1404/12/30', '1375/07/31', '1375/13/01', '1375/06', '1996/02/30', 'yesterday', ''])(
  '%j is no day of the Persian calendar',
  (text) => {
    expect(read(text)).toBeNull()
  },
)

test.each([
  ['fa', 'persian', '۱۳۷۵/۰۶/۲۱'],
  ['th', 'buddhist', '2539/09/11'],
  ['en', null, '1996-09-11'],
  ['de', null, '1996-09-11'],
])('in %s the calendar is %s', (locale, calendar, written) => {
  expect(ownCalendarOf(locale)).toBe(calendar)
  expect(writeCalendarDate(locale, '1996-09-11')).toBe(written)
})

test.each([
  ['fa', 'persian'],
  ['th', 'buddhist'],
  ['ar-u-ca-islamic-umalqura', 'islamic-umalqura'],
])('every date that is written in %s is read again', (locale, calendar) => {
  expect(ownCalendarOf(locale)).toBe(calendar)
  for (let day = Date.parse('1900-01-01'); day < Date.parse('2100-01-01'); day += 37 * DAY_MS) {
    const iso = new Date(day).toISOString().slice(0, 10)
    const written = writeCalendarDate(locale, iso)
    expect(read(written, calendar), written).toBe(iso)
  }
})

test('a Persian form asks for a date of the Persian calendar, an English one leaves it to the browser', async () => {
  const $fa = await browser.open('/?lang=fa')
  expect($fa('[name=born]').attr()).toMatchObject({ type: 'text', autocomplete: 'bday', dir: 'ltr' })
  expect($fa('[name=born]').attr()).not.toHaveProperty('min')
  // Numeric keyboards of phones have no separators.
  expect($fa('[name=born]').attr()).not.toHaveProperty('inputmode')
  expect($fa('[name=_calendar]').val()).toBe('persian')
  expect(textOf($fa, '#field-born-hint')).toContain('۱۴۰۴/۱۱/۱۱')
  const $en = await browser.open('/?lang=en')
  expect($en('[name=born]').attr()).toMatchObject({ type: 'date', min: '1950-01-01' })
  expect($en('[name=_calendar]')).toHaveLength(0)
  expect($en('#field-born-hint')).toHaveLength(0)
})

test('a date that was typed in a Persian form is submitted as a program would, whatever the language is by then', async () => {
  for (const lang of ['fa', 'en']) {
    const { body } = await browser.post(FORM + lang, typed('۱۳۷۵/۰۶/۲۱', 'persian')).expect(200)
    expect(body).toEqual({ born: '1996-09-11' })
  }
  const { body } = await browser.post(`${FORM}fa`, typed('1996/09/11', 'persian')).expect(200)
  expect(body).toEqual({ born: '1996-09-11' })
})

test.each(['gregory?', 'constructor', ''])('the unknown calendar %j is ignored', async (calendar) => {
  const { body } = await browser.post(`${FORM}en`, typed('1996-09-11', calendar)).expect(200)
  expect(body).toEqual({ born: '1996-09-11' })
})

test('a refused Persian form says dates of its errors in the Persian calendar, and keeps what was typed', async () => {
  const errorFor = async (born: string) => {
    const $ = load((await browser.post(`${FORM}fa`, typed(born, 'persian')).expect(422)).text)
    return [$('[name=born]').val(), textOf($, '.field-error').replace(/[\u2066-\u2069]/g, '')]
  }
  expect(await errorFor('۱۳۷۵/۱۳/۰۱')).toEqual([
    '۱۳۷۵/۱۳/۰۱',
    'Value باید تاریخ درستی باشد، مانند ۱۴۰۴/۱۱/۱۱',
  ])
  // 31 July 1375 of the Gregorian calendar would be a day.
  expect((await errorFor('1375/07/31'))[1]).toBe('Value باید تاریخ درستی باشد، مانند ۱۴۰۴/۱۱/۱۱')
  expect(await errorFor('1300/01/01')).toEqual(['۱۳۰۰/۰۱/۰۱', 'Value نباید پیش از ۱۳۲۸/۱۰/۱۱ باشد'])
})

test('dates that were submitted before are shown in the calendar of the form, whatever their year', () => {
  const stored = { born: '1650-05-05', name: '1650-05-05' }
  const fields = [born, fieldOf({ name: 'name', type: 'text' })]
  const shown = writeCalendarDates('fa', fields, stored)
  expect(shown).toEqual({ born: '۱۰۲۹/۰۲/۱۵', name: '1650-05-05' })
  expect(read(String(shown?.born))).toBe('1650-05-05')
  expect(writeCalendarDates('en', fields, stored)).toBe(stored)
  expect(writeCalendarDates('fa', fields, null)).toBeNull()
})
