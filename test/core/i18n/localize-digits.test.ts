import { expect, test } from 'vitest'
import { localizeNumberText } from '../../../core/i18n/localize-digits.ts'

test.each([
  ['09123456789', '۰۹۱۲۳۴۵۶۷۸۹'],
  ['0912***6789', '۰۹۱۲***۶۷۸۹'],
  ['+98 912 345 6789', '+۹۸ ۹۱۲ ۳۴۵ ۶۷۸۹'],
  ['1234567890123', '۱۲۳۴۵۶۷۸۹۰۱۲۳'],
  ['****6789', '****۶۷۸۹'],
])('the telephone or account number %s has the digits of a Persian page', (text, persian) => {
  expect(localizeNumberText('fa', text)).toBe(persian)
  expect(localizeNumberText('en', text)).toBe(text)
})

test.each([
  'CR-20260501',
  'req_0123456789',
  '2026-05-01',
  '20260501',
  'a***1@example.com',
  '10.0.0.1',
  '5/7',
  '',
])('the code, reference, date or address %j keeps its digits', (text) => {
  expect(localizeNumberText('fa', text)).toBe(text)
})
