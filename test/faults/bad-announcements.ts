/** Generators of announcements: `PUT /api/bots/services/{slug}` with wrong bodies, tokens and owners. */
import fc from 'fast-check'
import { DEVELOPMENT_TOKEN } from '../../core/runtime/config.ts'

/** Another bot, which owns none of the services that are there. */
export const STRANGER_TOKEN = 'token-of-a-stranger-42'
const SLUG = 'oddity'
/** The only services that the cases may announce: their slugs, and their queues. */
export const ANNOUNCED = [SLUG, 'constructor']

export interface Announcement {
  path: string
  headers: [string, string][]
  body: Buffer
}

const DEEP = 9_000
const text = (pattern?: object) => ({ name: 'a', type: 'text', label: 'A', ...pattern })
const right = { slug: SLUG, title: 'Oddity', fields: [text()] }
const announced = (definition: unknown, more: object = {}): string => JSON.stringify({ definition, ...more })
const withRegex = (regex: string, more: object = {}): string =>
  announced({ ...right, fields: [text({ pattern: { regex, message: 'No.' }, ...more })] })
const manyFields = (count: number): object[] =>
  Array.from({ length: count }, (_, n) => ({ name: `f${n}`, type: 'text', label: 'F' }))

const regexes = [
  '(a+)+$', '(a|a)*b', '(.*)*(.*)*(.*)*x', '(?=a)b', '(a)\\1', '(', '[z-a]', '\\', 'a{1,1000}'.repeat(40), '(((a{1,99}){1,99}){1,99})', '(?:'.repeat(2000), '((a?){20}){20}',
  '\\p{L}{1,900}', 'x'.repeat(20_000),
] // biome-ignore format: a list
const bodies = [
  '', ' ', '{', '[]', 'null', '"definition"', '{"definition"', '{"definition":1}', '{"definition":[]}', '{"definition":null}', '{"definition":{}}', '\0', '{"__proto__":{"definition":{}}}',
  '['.repeat(DEEP), '{"definition":'.repeat(DEEP), `{"definition":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`, `{"definition":{"slug":"oddity","title":"Oddity","result":${'{"a":'.repeat(25)}1${'}'.repeat(25)}}}`,
  announced({ ...right, fields: manyFields(10_000) }), announced({ ...right, fields: manyFields(150) }), announced({ ...right, fields: manyFields(51) }),
  announced({ ...right, fields: [text(), text()] }), announced({ ...right, fields: [text({ type: 'colour' })] }), announced({ ...right, fields: [null, 1, 'x', []] }),
  announced({ ...right, description: 'x'.repeat(300_000) }), announced({ ...right, title: 'x'.repeat(60_000) }), announced({ ...right, ['x'.repeat(60_000)]: 1 }),
  announced({ ...right, title: { en: '\ud800', fa: {} } }), announced({ ...right, messages: { a: '{n, plural' } }), announced({ ...right, messages: Object.fromEntries(manyFields(150).map((_, n) => [`k${n}`, '{'])) }),
  announced({ ...right, steps: [{ id: 'a', title: 'A', of: 'b' }] }), announced({ ...right, constructor: { prototype: {} }, __proto__: 1 }), announced({ ...right, slug: '../../etc' }),
  announced(right, { address: 'http://10.0.0.7:80' }), announced(right, { address: 'http://169.254.169.254' }), announced(right, { address: 'file:///etc/passwd' }), announced(right, { address: 'http://127.0.0.1:99999' }), announced(right, { address: `http://${'a'.repeat(5000)}` }),
  announced(right, { address: 'http://127.0.0.1:9@elsewhere.test' }), announced(right, { concurrency: 1e9 }), announced(right, { concurrency: 'all' }), announced(right, { draining: 'yes' }), announced(right, { addres: 1 }),
  ...regexes.map((regex) => withRegex(regex)), ...regexes.map((regex) => withRegex(regex, { example: 'a'.repeat(2000), max_length: 10_000 })),
] // biome-ignore format: a list

const mine = `Bearer ${DEVELOPMENT_TOKEN}`
const tokens = [
  '',
  'Bearer',
  'Bearer nobody',
  `Basic ${DEVELOPMENT_TOKEN}`,
  `${mine}x`,
  mine.slice(0, -1),
  `Bearer ${'x'.repeat(3000)}`,
]

function announcement(slug: string, body: string, authorization: string): Announcement {
  return {
    path: `/api/bots/services/${slug}`,
    headers: [['Authorization', authorization], ['Content-Type', 'application/json']],
    body: Buffer.from(body),
  } // biome-ignore format: short lists
}

/** @param takenSlugs of services that the stranger tries to take over */
export const badAnnouncement = (takenSlugs: readonly string[]): fc.Arbitrary<Announcement> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...bodies).map((body) => announcement(SLUG, body, mine)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...tokens).map((token) => announcement(SLUG, announced(right), token)),
    },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(...takenSlugs)
        .map((slug) => announcement(slug, announced({ ...right, slug }), `Bearer ${STRANGER_TOKEN}`)),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          fc.constantFrom('__proto__', 'constructor', '%00', '..%2F..', 'A', '-', 'x'.repeat(3000)),
          fc.boolean(),
        )
        .map(([slug, isSame]) => announcement(slug, announced({ ...right, ...(isSame && { slug }) }), mine)),
    },
    { weight: 1, arbitrary: fc.constant(announcement(SLUG, announced(right), mine)) },
  )
