/** The compressed size of the files that a page loads. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, inject, test } from 'vitest'
import { BUILT_IN } from '../../core/i18n/index.ts'
import { definitions } from '../helpers/services.ts'

const folder = inject('assets')
// The last one is of the tests.
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file !== 'axe.js')
const kilobytes = (file: string): number => gzipSync(readFileSync(join(folder, file))).length / 1000

const scripts = files.filter((file) => file.endsWith('.js'))
const stylesheets = files.filter((file) => file.endsWith('.css'))

test('the build makes a script and a stylesheet', () => {
  expect(scripts).toContain('progress.js')
  expect(stylesheets).not.toEqual([])
})

test.each(scripts)('the script %s has at most 30 kB compressed', (file) => {
  expect(kilobytes(file)).toBeLessThanOrEqual(30)
})

test.each(stylesheets)('the stylesheet %s has at most 10 kB compressed', (file) => {
  expect(kilobytes(file)).toBeLessThanOrEqual(10)
})

test('the font of Persian pages has at most 24 kB', () => {
  expect(readFileSync(join(folder, 'vazirmatn.woff2')).length).toBeLessThanOrEqual(24_000)
})

test('the font of Persian pages has every Arabic letter, digit and mark of their texts', async () => {
  const { CHARACTERS } = await import(new URL('../../public/font.mjs', import.meta.url).href)
  const texts = JSON.stringify([BUILT_IN.fa.catalogue, definitions])
  const used = new Set(texts.match(/[\u0600-\u06ff]/g))
  expect(used.size).toBeGreaterThan(40)
  expect([...used].filter((letter) => !CHARACTERS.includes(letter))).toEqual([])
})
