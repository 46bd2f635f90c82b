/** What Redis has of a submit beside its record: digests that nothing outside of the installation can compute. */
import { createHash, createHmac } from 'node:crypto'
import { load } from 'cheerio'
import { expect, it } from 'vitest'
import { keys } from '../helpers/keys.ts'
import { useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const server = await useServer(testRedis)
const { service_slug: slug, request_data: data } = CREDIT_SCORE
const SESSION = 'session-of-one-person'
const cookie = server.sessionCookie(SESSION)

const hmac = (key: string, value: unknown): string =>
  createHmac('sha256', key).update(JSON.stringify(value)).digest('base64url')
const sha256 = (...parts: string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
const submit = (key: string, on = server) =>
  on.api.post('/api/local-requests').set({ 'Idempotency-Key': key, cookie }).send(CREDIT_SCORE)

it('what was sent with an Idempotency-Key cannot be computed from the key and Redis', async () => {
  await submit('1').expect(202)
  const contents = await redisContents(redis, 'halfway:idempotency:*')
  expect(contents).toContain('fingerprint')
  expect(contents).not.toContain(hmac('1', [slug, data, {}]))
})

it('the name of a deduplicated submit does not follow from its session and what was sent', async () => {
  await submit('2').expect(202)
  const plain = hmac(server.sessionIdOf(SESSION), [slug, data])
  expect(await redis.exists(keys.idempotency(`active:${server.sessionIdOf(SESSION)}`, plain))).toBe(0)
})

it('the name of a form that was sent does not follow from its key and what was typed', async () => {
  const page = `/services/${slug}`
  const form = load((await server.api.get(page).set({ cookie, accept: 'text/html' })).text)
  const key = String(form('input[name=_key]').val())
  await server.api
    .post(page)
    .set({ cookie })
    .type('form')
    .send({ _key: key, ...data })
    .expect(303)
  expect(
    await redis.exists(keys.idempotency(server.sessionIdOf(SESSION), sha256(key, JSON.stringify(data)))),
  ).toBe(0)
})

it('another process, and one that starts later, know an earlier submit', async () => {
  const { body: first } = await submit('3').expect(202)
  for (const other of [await useServer(testRedis), await useServer(testRedis)]) {
    const { body, headers } = await submit('3', other).expect(202)
    expect([body, headers['idempotency-replayed']]).toEqual([first, 'true'])
  }
})
