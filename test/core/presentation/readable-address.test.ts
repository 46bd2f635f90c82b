import { expect, test } from 'vitest'
import { readableAddress } from '../../../core/presentation/readable-address.ts'

const SITE = 'https://example.com/'

test.each(['سلام', 'می‌خواهم/کتاب', 'straße', '日本語', 'ओम्', '۱۴۰۵'])(
  '%s is shown in its own letters',
  (path) => {
    const address = encodeURI(SITE + path)
    expect(address).not.toContain(path)
    expect(readableAddress(address)).toBe(SITE + path)
  },
)

test('spaces, punctuation, control characters and emoji stay encoded', () => {
  for (const text of ['/', ' ', '?', '#', '%', '\n', '\u202E', '\u2044', '\u00A0', '\u200B', '😀', 'ا،ب']) {
    const address = SITE + encodeURIComponent(text)
    expect(readableAddress(address)).toBe(address)
  }
})

test('invalid encodings are left as they are', () => {
  for (const path of ['%', '%8', '%D8', '%D8%2F', '%FF%FE', '%C0%AF', '%ED%A0%80'])
    expect(readableAddress(SITE + path)).toBe(SITE + path)
})
