/** `PUT /api/bots/services/{slug}`: bots in any language announce their services. */
import { describe, expect, test } from 'vitest'
import { openLiveCatalog } from '../../core/store/live-catalog.ts'
import { createServiceRegistry } from '../../core/store/service-registry.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { definitions } from '../helpers/services.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const registry = createServiceRegistry({ redis: client })
const services = await openLiveCatalog({ registry, log: quiet, everyMs: 20 })
cleanUp(() => services.stop())
const TOKEN = 'the-token-of-this-installation'
const CRAWLER_TOKEN = 'the-token-of-the-crawler'
const NEWER_CRAWLER_TOKEN = 'the-next-token-of-the-crawler'
const { api } = await useServer(redis, {
  services,
  settings: { LOCAL_API_TOKEN: TOKEN, BOT_TOKENS: `crawler:${NEWER_CRAWLER_TOKEN},crawler:${CRAWLER_TOKEN}` },
})

const definition = {
  slug: 'parcels',
  title: 'Parcels',
  fields: [{ name: 'number', type: 'text', label: 'Number' }],
}
const put = (body: object, { slug = 'parcels', token = TOKEN } = {}) =>
  api.put(`/api/bots/services/${slug}`).set('Authorization', `Bearer ${token}`).send(body)

describe('announcing a service over HTTP', () => {
  test('an announced service has a form, an API and a list entry within a second, and its own address is kept', async () => {
    const { body } = await put({ definition, address: 'http://127.0.0.1:9001', concurrency: 3 }).expect(200)
    expect(body).toEqual({ slug: 'parcels', standing: 'ok', announce_again_in: 15 })
    await eventually(async () => void (await api.get('/services/parcels').expect(200)))
    const { body: catalogue } = await api.get('/api/services')
    expect(catalogue.services).toMatchObject([
      { slug: 'parcels', title: 'Parcels', fields: [{ name: 'number', type: 'text', required: true }] },
    ])
    const request_data = { number: '7' }
    await api.post('/api/local-requests').send({ service_slug: 'parcels', request_data }).expect(202)
    expect(services.botsOf('parcels')).toMatchObject([{ address: 'http://127.0.0.1:9001', concurrency: 3 }])
  })

  test('a service that is not announced does not exist', async () => {
    await api.post('/api/local-requests').send(CREDIT_SCORE).expect(404)
    await put({ definition: definitions[0] }, { slug: definitions[0].slug }).expect(200)
    await eventually(async () => void (await api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)))
  })

  test('a call without a valid token is refused and changes nothing', async () => {
    const version = await registry.version()
    for (const token of ['', 'wrong', `${TOKEN}x`, TOKEN.slice(1)]) {
      const { body } = await put({ definition }, { token }).expect(401)
      expect(body.code).toBe('unauthorized')
    }
    await api.put('/api/bots/services/parcels').send({ definition }).expect(401)
    expect(await registry.version()).toBe(version)
  })

  test('both tokens of a name announce the same service, so that one can replace the other', async () => {
    const crawls = { ...definition, slug: 'crawls' }
    for (const token of [CRAWLER_TOKEN, NEWER_CRAWLER_TOKEN, CRAWLER_TOKEN])
      await put({ definition: crawls }, { slug: 'crawls', token }).expect(200)
    await put({ definition: crawls }, { slug: 'crawls' }).expect(409)
  })

  test('a slug of another token is refused with 409, which names the owner', async () => {
    const { body } = await put({ definition }, { token: CRAWLER_TOKEN }).expect(409)
    expect(body).toMatchObject({ code: 'slug_taken', detail: expect.stringContaining('"default"') })
  })

  test.each([
    ['an unknown field', { definition, addres: 'http://127.0.0.1:1' }, 'body'],
    ['an address outside BOT_ADDRESSES', { definition, address: 'http://10.0.0.7:80' }, 'address'],
    ['an address with a path', { definition, address: 'http://127.0.0.1:80/bots' }, 'address'],
    ['an address that is none', { definition, address: 'javascript:alert(1)' }, 'address'],
    ['no room', { definition, address: 'http://127.0.0.1:80', concurrency: 0 }, 'concurrency'],
    ['another slug than the address', { definition: { ...definition, slug: 'other' } }, 'definition.slug'],
    ['a definition with an unknown field type', { definition: { ...definition, fields: [{ name: 'a', type: 'colour', label: 'A' }] } }, 'fields[0].type'],
    ['a pattern that is no regular expression', { definition: { ...definition, fields: [{ name: 'a', type: 'text', label: 'A', pattern: { regex: '(', message: 'x' } }] } }, 'fields[0].pattern'],
  ])('an announcement with %s is refused, and the field named', async (_what, body, field) => {
    const answer = await put(body).expect(422)
    expect(answer.body.errors).toContainEqual(expect.objectContaining({ field, message: expect.any(String) }))
  }) // biome-ignore format: a table

  test('a mistake of a definition has its place in field alone, in every language', async () => {
    const fields = [
      { name: 'a', type: 'text', label: 'A' },
      { name: 'b', type: 'choice', label: 'B' },
    ]
    for (const language of ['en', 'fa']) {
      const { body } = await put({ definition: { ...definition, fields } }).set('Accept-Language', language)
      expect(body.errors).toEqual([
        {
          field: 'fields[1].options',
          code: 'invalid_definition',
          message: 'are required of a choice',
        },
      ])
    }
  })

  test('a definition that is no object, too large, or has 10,000 fields gets a short answer', async () => {
    const fields = Array.from({ length: 10_000 }, (_, i) => ({ name: `f${i}`, type: 'text', label: 'F' }))
    for (const [body, status] of [
      [{}, 400],
      [{ definition: [] }, 400],
      [{ definition: { ...definition, description: 'x'.repeat(300_000) } }, 413],
      [{ definition: { ...definition, fields } }, 413],
      [{ definition: { ...definition, fields: fields.slice(0, 150) } }, 422],
      [{ definition: { ...definition, ['x'.repeat(60_000)]: 1 } }, 422],
      [{ definition, ['x'.repeat(60_000)]: 1 }, 422],
      [{ definition: { ...definition, messages: { ['x'.repeat(60_000)]: 'X' } } }, 422],
    ] as const) {
      const answer = await put(body)
      expect(answer.status).toBe(status)
      expect(answer.text.length).toBeLessThan(8_000)
    }
  })

  test('another method is refused', async () => {
    await api.get('/api/bots/services/parcels').set('Authorization', `Bearer ${TOKEN}`).expect(405)
  })
})
