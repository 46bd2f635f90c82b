import { expect, test } from 'vitest'
import { formatTime } from '../../../core/presentation/format-time.ts'

const SINCE = '2026-11-29T21:00:00.000Z'
const beside = (locale: string, iso: string, timeZone = 'UTC') =>
  formatTime(locale, iso, 'moment', { since: SINCE, timeZone }).replaceAll('\u202f', ' ')

test('a moment on the day of the one before it is shown without its day', () => {
  expect(beside('en', '2026-11-29T21:30:00.000Z')).toBe('9:30 PM')
  expect(beside('fa', '2026-11-29T21:30:00.000Z')).toBe('ساعت ۲۱:۳۰')
})

test('a moment soon after it is shown without its day, past midnight, too', () => {
  expect(beside('en', '2026-11-30T00:30:00.000Z')).toBe('12:30 AM')
  expect(beside('en', '2026-11-30T08:59:59.000Z')).toBe('8:59 AM')
})

test('a moment on another day is shown with its day', () => {
  expect(beside('en', '2026-11-30T09:00:00.000Z')).toBe('Nov 30, 2026, 9:00 AM')
  expect(beside('fa', '2026-11-30T09:00:00.000Z')).toContain('آذر')
})

test('the day is that of the time zone', () => {
  expect(beside('en', '2026-11-29T08:30:00.000Z')).toBe('8:30 AM')
  expect(beside('en', '2026-11-29T08:30:00.000Z', 'Asia/Tehran')).toBe('Nov 29, 2026, 12:00 PM')
})
