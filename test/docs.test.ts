/** What the documents promise and what the code knows are the same: neither may know more. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createRecord } from '../core/domain/create-record.ts'
import { ERRORS } from '../core/domain/errors.ts'
import { STATUSES, toPublicView } from '../core/domain/record.ts'
import { DRIVER_NAMES } from '../core/runtime/env-schema.ts'
import { keys } from './helpers/keys.ts'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const api = read('docs/API.md')
const readme = read('README.md')
const DOCUMENTS = [
  'README.md',
  ...readdirSync(new URL('../docs', import.meta.url))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

const SERVICE = { slug: 'test', estimatedSeconds: 1, tries: 1, steps: [] }
const RECORD = createRecord({
  hash: 'req_x',
  service: SERVICE,
  requestData: {},
  sessionId: null,
  now: 0,
  ttlSeconds: 1,
})

describe('docs/API.md', () => {
  test.each(Object.keys(ERRORS))('names the error code %s', (code) => {
    expect(api).toContain(`\`${code}\``)
  })

  test('names no error code of a call that there is not, and each with its HTTP status', () => {
    const table = api.slice(api.indexOf('## Error codes'), api.indexOf('In `error_data` of a failed request'))
    for (const [, statuses, codes] of table.matchAll(/^\| ([\d, ]+) \| (.+) \|$/gm)) {
      for (const [, code] of (codes ?? '').matchAll(/`(\w+)`/g)) {
        const error = ERRORS[code as keyof typeof ERRORS]
        expect(statuses?.split(', '), code).toContain(String(error?.status))
      }
    }
  })

  test.each(STATUSES)('describes the status %s', (status) => {
    expect(api).toMatch(new RegExp(`^\\| \`${status}\` \\|`, 'm'))
  })

  test.each(Object.keys(toPublicView(RECORD, 0)))('describes the field %s of the public view', (field) => {
    expect(api.slice(api.indexOf('## The public view'), api.indexOf('## HTTP'))).toContain(`\`${field}\``)
  })

  test.each(['request:watch', 'request:unwatch', 'request:update', 'request:expired'])(
    'names the socket event %s',
    (event) => {
      expect(api).toContain(`\`${event}\``)
      expect(read('server/socket-watches.ts')).toContain(`'${event}'`)
    },
  )

  test('names the keys and the channel as they are', () => {
    expect(api).toContain(`\`${keys.record('{hash}')}\``)
    expect(api).toContain(`\`${keys.channel('{hash}')}\``)
    expect(api).toContain(`\`${keys.list}\``)
  })
})

describe('docs/EMBED.md', () => {
  const page = read('docs/EMBED.md')
  const embedded = read('public/embedded-events.ts') + read('public/halfway-progress.ts')

  test('names every property that the styles have, and no other', () => {
    const styles = read('public/styles/tokens.css') + read('public/styles/embedded.css')
    const [inStyles, inPage] = [styles.matchAll(/^ +(--[\w-]+):/gm), page.matchAll(/`(--[\w-]+)`/g)]
    const names = (matches: Iterable<RegExpExecArray>): string[] =>
      [...new Set([...matches].map(([, name]) => String(name)))].sort()
    expect(names(inPage)).toEqual(names(inStyles))
  })

  test.each(['hash', 'lang', 'owner-token'])('names the attribute %s', (attribute) => {
    expect(page).toMatch(new RegExp(`^\\| \`${attribute}\` \\|`, 'm'))
    expect(embedded).toContain(`'${attribute}'`)
  })

  test.each(['progress', 'otp-required', 'completed', 'failed', 'cancelled', 'expired'])(
    'names the event %s',
    (event) => {
      expect(page).toMatch(new RegExp(`^\\| \`${event}\` \\|`, 'm'))
      expect(embedded).toContain(`'${event}'`)
    },
  )
})

describe('README.md', () => {
  test('has at most 120 lines', () => {
    expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(120)
  })

  test('begins with npm install and npm start', () => {
    expect(/```sh\n([\s\S]*?)```/.exec(readme)?.[1]).toBe('npm install\nnpm start\n')
  })
})

describe('docs/ORIGINS.md', () => {
  test('names an existing test for each feature of the earlier systems', () => {
    const rows = [...read('docs/ORIGINS.md').matchAll(/^\| .+ \| .+ \| (.+) \|$/gm)].slice(1)
    expect(rows.length).toBeGreaterThan(20)
    for (const [row, tests = ''] of rows) {
      const named = [...tests.matchAll(/`([\w/-]+)`/g)].map(([, name]) => `test/${name}.test.ts`)
      expect(named, row).not.toEqual([])
      for (const path of named) expect(() => read(path), row).not.toThrow()
    }
  })
})

describe('every document', () => {
  test.each(DOCUMENTS)('%s names only npm scripts that exist', (path) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    for (const [, name] of read(path).matchAll(/npm run ([\w:-]+)(?![\w:*-])/g))
      expect(scripts).toHaveProperty([name as string])
  })
})

describe('docs/PERFORMANCE.md', () => {
  const page = read('docs/PERFORMANCE.md')

  test('names only sections of the benchmark that exist', () => {
    const [, sections = ''] = /const SECTIONS.*? = \{(.*?)\n\}/s.exec(read('bench/main.ts')) ?? []
    const names = [...sections.matchAll(/^ {2}(\w+),$/gm)].map(([, name]) => name)
    expect(names).not.toHaveLength(0)
    for (const [, named = ''] of page.matchAll(/--only ([\w- ]+)`/g))
      for (const name of named.split(' ')) expect(names).toContain(name)
  })
})

describe('docs/CONCURRENCY.md', () => {
  const page = read('docs/CONCURRENCY.md')

  test('names every code that a task may fail with, and every driver', () => {
    const errors = read('core/tasks/task-errors.ts')
    const codes = [...errors.slice(0, errors.indexOf('An error as it travels')).matchAll(/\| '(\w+)'/g)]
    expect(codes.length).toBeGreaterThan(8)
    for (const [, code] of codes) expect(page).toContain(`\`${code}\``)
    for (const driver of DRIVER_NAMES) expect(page).toMatch(new RegExp(`^\\| \`${driver}\``, 'm'))
  })
})
