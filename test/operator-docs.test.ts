/** The documents for operators and contributors name what exists, and all of it. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { languages } from '../core/i18n/index.ts'
import { createKeys } from '../core/redis/keys.ts'
import { ENV_NAMES, envSchema } from '../core/runtime/env-schema.ts'
import { loadLanguages } from '../server/load-languages.ts'
import { ROOT, read } from './docs/blocks.ts'
import { isRemovedExample } from './helpers/examples.ts'
import { useFolder } from './helpers/redis.ts'

const DOCUMENTS = [
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'docs/HOW-IT-WORKS.md',
  'docs/OPERATE.md',
  'docs/DEPLOY.md',
  'docs/CONSOLE.md',
  'docs/METRICS.md',
  'docs/RUNBOOK.md',
  'docs/SECURITY.md',
  'docs/SCALE.md',
  'docs/RELIABILITY.md',
  'docs/ADD-A-SERVICE.md',
  'docs/WRITE-A-BOT.md',
]
const FOLDERS = 'core|server|workers|bridge|bots|cli|public|bench|test|docs|deploy'
/** The cells of each row of each table in a part of a document. */
const rowsOf = (text: string): string[][] =>
  [...text.matchAll(/^\| (.+) \|$/gm)].map(([, row = '']) => row.split(' | '))
const section = (text: string, heading: string): string => {
  const start = text.indexOf(`\n${heading}\n`)
  const level = heading.split(' ')[0] as string
  const end = text.slice(start + 1).search(new RegExp(`\n#{1,${level.length}} `))
  return text.slice(start, end < 0 ? undefined : start + 1 + end)
}
const quoted = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text)

it.each(DOCUMENTS)('%s names only files and folders that exist', (path) => {
  const named = [...read(path).matchAll(new RegExp(`(?<![\\w/-])(?:${FOLDERS})/[\\w./-]*[\\w/]`, 'g'))].map(
    String,
  )
  const isMissing = (name: string): boolean => !existsSync(join(ROOT, name)) && !isRemovedExample(name)
  expect(named.filter((name) => !name.includes('dist') && isMissing(name))).toEqual([])
})

describe('ARCHITECTURE.md', () => {
  const text = read('ARCHITECTURE.md')

  it('ARCHITECTURE.md has at most 90 lines', () =>
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(90))

  it('ARCHITECTURE.md names each folder of core/ in a layer', () => {
    const folders = rowsOf(section(text, '## Layers of `core/`')).flatMap(([cell]) => quoted(cell))
    expect(folders.sort()).toEqual(readdirSync(join(ROOT, 'core')).sort())
  })
})

describe('docs/OPERATE.md', () => {
  const text = read('docs/OPERATE.md')

  it('docs/OPERATE.md lists every setting with its default, and no other', () => {
    const defaults = envSchema.parse({}) as Record<string, unknown>
    const isEmpty = (value: unknown): boolean =>
      value === undefined || (typeof value === 'object' && Object.keys(value as object).length === 0)
    const shown = (value: unknown): string => (value === '' || isEmpty(value) ? '–' : `\`${value}\``)
    const rows = rowsOf(section(text, '## Settings')).filter(([name = '']) => /^`[A-Z_]+`$/.test(name))
    const listed = rows.map(([name, value]) => `${name} ${value}`).sort()
    expect(listed).toEqual(ENV_NAMES.map((name) => `\`${name}\` ${shown(defaults[name])}`).sort())
  })

  it('docs/OPERATE.md lists every key and channel, and no other of its own', () => {
    const shape = (name: string): string => name.replace(/\{[a-z]+\}/g, '{}').replace(/[\w-]{43}/g, '{}')
    const named = rowsOf(section(text, '### Keys')).flatMap(([cell]) => quoted(cell))
    const {
      own: _own,
      queues: _queues,
      queue: _queue,
      channelsOf: _,
      services,
      controls,
      ...keys
    } = createKeys({})
    const inCluster = createKeys({ clusterChannels: 'sharded' }, { isCluster: true })
    const names = [keys, services, controls]
      .flatMap((group): unknown[] => Object.values(group))
      .map((key) =>
        typeof key === 'string' ? key : (key as (...args: string[]) => string)('{hash}', '{of}'),
      )
    const expected = names.map((name) => (name.endsWith(':{hash}:') ? `${name}{network}` : name)).map(shape)
    const { sharded } = inCluster.channelsOf('{hash}')
    const ofOthers = ['halfway:{}:…', 'halfway:concurrency:…', sharded]
    // A name in braces of its own is no placeholder.
    expect([...new Set(named.map(shape))].sort()).toEqual(
      [...new Set([...expected, ...ofOthers])].map(shape).sort(),
    )
  })

  it('the language file of docs/OPERATE.md is accepted, and texts it lacks are English', () => {
    const folder = useFolder()
    const [, file = ''] = /```json\n([\s\S]*?)```/.exec(section(text, '### Languages')) ?? []
    writeFileSync(join(folder, 'de.json'), file)
    const german = loadLanguages(['en', 'de'], folder).get('de')
    expect(german).toMatchObject({ name: 'Deutsch', dir: 'ltr' })
    const { catalogue } = languages().get('en') as { catalogue: Record<string, string> }
    const translated = Object.keys(JSON.parse(file).texts)
    expect(translated.length).toBeGreaterThan(1)
    for (const [key, words] of Object.entries(german?.catalogue ?? {}))
      expect(words === catalogue[key], key).toBe(!translated.includes(key))
  })

  it('docs/OPERATE.md describes every command of the command line', () => {
    const names = [...read('cli/program.ts').matchAll(/\.command\('(\w+)'/g)].map(([, name = '']) => name)
    const rows = rowsOf(section(text, '## Command line')).flatMap(([cell]) => quoted(cell))
    const commands = new Set(rows.flatMap((row) => row.split(' ')).filter((word) => !word.startsWith('-')))
    expect(names.length).toBeGreaterThan(8)
    for (const name of names) expect(commands).toContain(name)
  })

  it('docs/OPERATE.md describes every option of the workers', () => {
    const rows = rowsOf(section(text, '### Options of the workers')).flatMap(([cell]) => quoted(cell))
    const options = [...read('workers/options.ts').matchAll(/'(--[\w-]+) /g)].map(([, option]) => option)
    expect(rows.sort()).toEqual(options.sort())
  })
})

describe('docs/RELIABILITY.md', () => {
  it('docs/RELIABILITY.md shows each fault that the tests report, and no other', () => {
    const faults = section(read('docs/RELIABILITY.md'), '## Faults and outcomes')
    const shown = rowsOf(faults).flatMap(([cell]) => quoted(cell))
    const sources = readdirSync(join(ROOT, 'test/faults'))
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => read(`test/faults/${file}`))
    const names = sources.flatMap((source) =>
      [...source.matchAll(/\bname: (['`])(.+?)\1/g)].map(
        ([, , name = '']) => new RegExp(`^${name.replace(/\$\{\w+\}/g, '\\S+')}$`),
      ),
    )
    expect(shown.filter((name) => !names.some((pattern) => pattern.test(name)))).toEqual([])
    expect(names.filter((pattern) => !shown.some((name) => pattern.test(name)))).toEqual([])
  })
})
