import { expect, test } from 'vitest'
import { readableAddress } from '../../../core/presentation/readable-address.ts'

const SITE = 'https://example.com/'

test.each([
  'سلام',
  'می‌خواهم/کتاب',
  'قیمت-iphone',
  'straße',
  'Über-uns',
  '日本語',
  'カタカナ',
  'ओम्',
  'привет',
  '۱۴۰۵',
])('%s is shown in its own letters', (path) => {
  const address = encodeURI(SITE + path)
  expect(address).not.toContain(path)
  expect(readableAddress(address)).toBe(SITE + path)
})

test('spaces, punctuation, control characters and emoji stay encoded', () => {
  for (const text of ['/', ' ', '?', '#', '%', '\n', '\u202E', '\u2044', '\u00A0', '\u200B', '😀', 'ا،ب']) {
    const address = SITE + encodeURIComponent(text)
    expect(readableAddress(address)).toBe(address)
  }
})

test('letters that are invisible or look like others stay encoded', () => {
  for (const path of [
    'pay%E2%80%8Cpal',
    '%E2%80%8D',
    '%E2%80%8C%D8%B3',
    '%D8%B3%E2%80%8D',
    'a%E3%85%A4',
    'a%EF%B8%8F',
    'a%CD%8F',
    'a%F3%A0%84%80',
    'cafe%CC%81',
    '%D1%80aypal',
    'p%D0%B0y',
    '%CE%BFk',
    '%C7%83',
    '%D8%B3%D1%80',
  ])
    expect(readableAddress(SITE + path)).toBe(SITE + path)
})

test('invalid encodings are left as they are', () => {
  for (const path of ['%', '%8', '%D8', '%D8%2F', '%FF%FE', '%C0%AF', '%ED%A0%80'])
    expect(readableAddress(SITE + path)).toBe(SITE + path)
})
