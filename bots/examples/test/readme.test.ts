/** README.md of the examples lists their settings with their defaults, and their folders. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { EXAMPLE_SETTINGS, loadExampleSettings } from '../settings.ts'

const folder = join(import.meta.dirname, '..')
const text = readFileSync(join(folder, 'README.md'), 'utf8')

test('README.md of the examples lists each setting with its default, and no other', () => {
  const rows = [...text.matchAll(/^\| `([A-Z_]+)` \| `(.+?)` \|/gm)].map(([, name, value]) => [name, value])
  expect(rows.map(([name]) => name).sort()).toEqual([...EXAMPLE_SETTINGS].sort())
  expect(loadExampleSettings(Object.fromEntries(rows))).toEqual(loadExampleSettings({}))
})

test('README.md of the examples names only folders that exist', () => {
  const named = [...text.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name = '']) => name)
  expect(named.length).toBeGreaterThan(4)
  expect(named.filter((name) => !existsSync(join(folder, name)))).toEqual([])
})
