/** The documents name every code, status, field, event, key and property of the code, and no other. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createRecord } from '../core/domain/create-record.ts'
import { ERRORS, REQUEST_FAILURE_CODES } from '../core/domain/errors.ts'
import { STATUSES, toPublicView } from '../core/domain/record.ts'
import { TRANSITIONS } from '../core/domain/state-machine.ts'
import { enErrors } from '../core/i18n/en-errors.ts'
import { createKeys } from '../core/redis/keys.ts'
import { DRIVER_NAMES } from '../core/runtime/env-schema.ts'
import { DOCUMENTS, ROOT, read } from './docs/blocks.ts'
import { isRemovedExample } from './helpers/examples.ts'
import { keys } from './helpers/keys.ts'
import { catalog } from './helpers/services.ts'

const api = read('docs/HTTP-API.md')
const sockets = read('docs/SOCKETS.md')
const bots = read('docs/WRITE-A-BOT.md')
const quickStart = read('docs/QUICK-START.md')
const readme = read('README.md')

const SERVICE = { slug: 'test', queue: { name: 'test' }, usual_seconds: 1, tries: 1, steps: [] }
const RECORD = createRecord({
  hash: 'req_x',
  service: SERVICE,
  requestData: {},
  sessionId: null,
  now: 0,
  ttlSeconds: 1,
})

describe('docs/HTTP-API.md', () => {
  test.each(Object.keys(ERRORS))('docs/HTTP-API.md names the error code %s', (code) => {
    expect(api).toContain(`\`${code}\``)
  })

  test('docs/HTTP-API.md names only error codes that exist, each with its HTTP status', () => {
    const table = api.slice(api.indexOf('## Error codes'), api.indexOf('`error_data` of a failed request'))
    for (const [, statuses, codes] of table.matchAll(/^\| ([\d, ]+) \| (.+) \|$/gm)) {
      for (const [, code] of (codes ?? '').matchAll(/`(\w+)`/g)) {
        const error = ERRORS[code as keyof typeof ERRORS]
        expect(statuses?.split(', '), code).toContain(String(error?.status))
      }
    }
  })

  test.each(STATUSES)('docs/HTTP-API.md describes the status %s', (status) => {
    expect(api).toMatch(new RegExp(`^\\| \`${status}\` \\|`, 'm'))
  })

  test.each(STATUSES)('docs/HTTP-API.md names each status that may follow %s', (status) => {
    const [, next = ''] = new RegExp(`^\\| \`${status}\` \\| .* \\| (.*) \\|$`, 'm').exec(api) ?? []
    const documented = [...next.matchAll(/`(\w+)`/g)].map(([, name]) => name)
    const following = Object.values(TRANSITIONS[status]).filter((to) => to !== status)
    expect(documented.sort()).toEqual([...new Set<string>(following)].sort())
  })

  test.each(Object.keys(toPublicView(RECORD, 0)))(
    'docs/HTTP-API.md describes the field %s of the public view',
    (field) => {
      expect(api.slice(api.indexOf('## The public view'), api.indexOf('## Bodies and errors'))).toContain(
        `\`${field}\``,
      )
    },
  )

  test.each(REQUEST_FAILURE_CODES)('docs/HTTP-API.md names the failure %s of a request', (code) => {
    expect(api.slice(api.indexOf('`error_data` of a failed request'))).toContain(`\`${code}\``)
  })

  test('docs/HTTP-API.md names every code of a field error, and no other', () => {
    const table = api.slice(api.indexOf('### Codes of field errors'))
    const documented = [...table.matchAll(/^\| .+ \| (`.+) \|$/gm)].flatMap(([, codes = '']) =>
      [...codes.replace(/\([^)]*\)/g, '').matchAll(/`(\w+)`/g)].map(([, code]) => code),
    )
    const codes = Object.keys(enErrors).filter((key) => key.startsWith('field_error.'))
    expect(documented.sort()).toEqual(codes.map((key) => key.slice('field_error.'.length)).sort())
  })
})

describe('docs/SOCKETS.md', () => {
  test.each([
    'request:watch',
    'request:unwatch',
    'request:update',
    'request:expired',
    'service:degraded',
    'service:restored',
  ])('docs/SOCKETS.md names the event %s', (event) => {
    expect(sockets).toMatch(new RegExp(`^\\| \`${event}\``, 'm'))
    expect(read('server/socket-watches.ts')).toContain(`'${event}'`)
  })
})

describe('docs/WRITE-A-BOT.md', () => {
  test('docs/WRITE-A-BOT.md lists each field of an announcement, and each header of a call', () => {
    const announcing = bots.slice(bots.indexOf('## Announce'), bots.indexOf('## The call'))
    const [, shape = ''] =
      /const announcement = z\.strictObject\(\{(.*?)\n\}\)/s.exec(read('server/routes/bot-services.ts')) ?? []
    const fields = [...shape.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name)
    const listed = [...announcing.matchAll(/^\| `(\w+)` \| (?:required|–|`)/gm)].map(([, name]) => name)
    expect(listed.sort()).toEqual(['definition', ...fields].sort())
    const headers = [...read('workers/bot-client.ts').matchAll(/'(x-[\w-]+|idempotency-key)'/g)].map(
      ([, name]) => name,
    )
    const inTable = [...bots.matchAll(/^\| `([\w-]+)(?:: true)?` \|/gm)].map(([, name = '']) =>
      name.toLowerCase(),
    )
    expect(headers.length).toBe(4)
    for (const header of headers) expect(inTable).toContain(header)
  })

  test('docs/WRITE-A-BOT.md names the keys and the channel as they are', () => {
    expect(bots).toContain(`\`${keys.record('{hash}')}\``)
    expect(bots).toContain(`\`${keys.channel('{hash}')}\``)
    expect(bots).toContain(`\`${keys.list}\``)
    expect(bots).toContain(`\`${keys.otp('req_…')}\``)
    expect(bots).toContain(`\`${createKeys({ keyPrefix: 'second:' }).otp('req_…')}\``)
  })
})

describe('docs/QUICK-START.md', () => {
  test.each(catalog.all().map(({ slug }) => slug))(
    'docs/QUICK-START.md has example values for the service %s',
    (slug) => {
      expect(quickStart).toMatch(new RegExp(`^\\| \`${slug}\` \\|`, 'm'))
    },
  )
})

describe('docs/EMBED.md', () => {
  const page = read('docs/EMBED.md')
  const embedded = read('public/embedded-events.ts') + read('public/halfway-progress.ts')

  test('docs/EMBED.md names every property of the styles, and no other', () => {
    const styles = read('public/styles/tokens.css') + read('public/styles/embedded.css')
    const [inStyles, inPage] = [styles.matchAll(/^ +(--[\w-]+):/gm), page.matchAll(/`(--[\w-]+)`/g)]
    const names = (matches: Iterable<RegExpExecArray>): string[] =>
      [...new Set([...matches].map(([, name]) => String(name)))].sort()
    expect(names(inPage)).toEqual(names(inStyles))
  })

  test.each(['hash', 'lang', 'owner-token'])('docs/EMBED.md names the attribute %s', (attribute) => {
    expect(page).toMatch(new RegExp(`^\\| \`${attribute}\` \\|`, 'm'))
    expect(embedded).toContain(`'${attribute}'`)
  })

  test.each(['progress', 'otp-required', 'completed', 'failed', 'cancelled', 'expired'])(
    'docs/EMBED.md names the event %s',
    (event) => {
      expect(page).toMatch(new RegExp(`^\\| \`${event}\` \\|`, 'm'))
      expect(embedded).toContain(`'${event}'`)
    },
  )
})

describe('README.md', () => {
  test('README.md has at most 120 lines', () => {
    expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(120)
  })

  test('README.md begins with npm install and npm start', () => {
    expect(/```sh\n([\s\S]*?)```/.exec(readme)?.[1]).toBe('npm install\nnpm start\n')
  })
})

describe('docs/ORIGINS.md', () => {
  test('docs/ORIGINS.md names an existing test for each feature of the earlier systems', () => {
    const rows = [...read('docs/ORIGINS.md').matchAll(/^\| .+ \| .+ \| (.+) \|$/gm)].slice(1)
    expect(rows.length).toBeGreaterThan(20)
    for (const [row, tests = ''] of rows) {
      const named = [...tests.matchAll(/`([\w/-]+)`/g)].map(([, name]) => `test/${name}.test.ts`)
      expect(named, row).not.toEqual([])
      for (const path of named) expect(() => read(path), row).not.toThrow()
    }
  })
})

const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )

describe('every document', () => {
  const all = [...DOCUMENTS, 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md']

  test.each(all)('%s links only to files and headings that exist', (path) => {
    for (const [, link = ''] of read(path).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : join(dirname(path), file)
      if (isRemovedExample(target)) continue
      expect(existsSync(join(ROOT, target)), link).toBe(true)
      if (anchor) expect(anchorsOf(read(target)), link).toContain(anchor)
    }
  })

  test.each(all)('%s names only npm scripts that exist', (path) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    for (const [, name] of read(path).matchAll(/npm run ([\w:-]*\w)(?![\w:-])/g))
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

describe('docs/PARALLEL-TASKS.md', () => {
  const page = read('docs/PARALLEL-TASKS.md')

  test('docs/PARALLEL-TASKS.md names every code that a task may fail with, and every driver', () => {
    const errors = read('core/tasks/task-errors.ts')
    const codes = [...errors.slice(0, errors.indexOf('An error as it travels')).matchAll(/\| '(\w+)'/g)]
    expect(codes.length).toBeGreaterThan(8)
    for (const [, code] of codes) expect(page).toContain(`\`${code}\``)
    for (const driver of DRIVER_NAMES) expect(page).toMatch(new RegExp(`^\\| \`${driver}\``, 'm'))
  })
})
