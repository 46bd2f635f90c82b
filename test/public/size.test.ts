/** The compressed size of the files that a page loads. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { useFolder } from '../helpers/redis.ts'

const folder = useFolder()
execFileSync(process.execPath, [fileURLToPath(new URL('../../public/build.mjs', import.meta.url)), folder])
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
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
