/** Dates of forms in the calendar of the page's language. */
import { load } from 'cheerio'
import { expect, inject, test } from 'vitest'
import { ownCalendarOf, readCalendarDate, writeCalendarDate } from '../../server/pages/reader-calendar.ts'
import { fieldOf, serveForm, serviceWith } from '../helpers/all-fields.ts'
import { openBrowser, textOf } from './page-browser.ts'

const DAY_MS = 86_400_000
const TODAY = new Date('2026-12-01')
const read = (text: string, calendar = 'persian') => readCalendarDate(calendar, text, TODAY)

const born = fieldOf({ name: 'born', type: 'date', min: '1950-01-01', max: '2020-12-31' })
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
])('the Persian date %j is %s', (text, iso) => {
  expect(read(text)).toBe(iso)
})

test.each(['1404/12/30', '1375/13/01', '1375/06/32', '1375/06', 'yesterday', '', '1996/09/11', '2026-01-31'])(
  '%j is not a valid Persian date and is returned unchanged',
  (text) => {
    expect(read(text)).toBe(text)
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

test.each(['fa', 'th', 'ar-SA'])('every date that is written in %s is read again', (locale) => {
  const calendar = ownCalendarOf(locale) as string
  for (let day = Date.parse('1900-01-01'); day < Date.parse('2100-01-01'); day += 37 * DAY_MS) {
    const iso = new Date(day).toISOString().slice(0, 10)
    const written = writeCalendarDate(locale, iso)
    expect(read(written, calendar), written).toBe(iso)
  }
})

test('a Persian form asks for a date of the Persian calendar, an English one leaves it to the browser', async () => {
  const $fa = await browser.open('/?lang=fa')
  expect($fa('[name=born]').attr()).toMatchObject({ type: 'text', inputmode: 'numeric', dir: 'ltr' })
  expect($fa('[name=born]').attr()).not.toHaveProperty('min')
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
  expect(await errorFor('1300/01/01')).toEqual(['۱۳۰۰/۰۱/۰۱', 'Value نباید پیش از ۱۳۲۸/۱۰/۱۱ باشد'])
})
