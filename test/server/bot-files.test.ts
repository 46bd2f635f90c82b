/** Files that bots store with a request: received, shown on the result page, downloaded. */
import { expect, it } from 'vitest'
import { createCatalog } from '../../core/catalog/catalog.ts'
import type { Command } from '../../core/domain/command.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { keys } from '../helpers/keys.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { toService } from '../helpers/services.ts'

const TOKEN = 'token-of-the-owner'
const service = toService({
  slug: 'report',
  title: 'Report',
  usual_seconds: 5,
  result: { fields: [{ name: 'document', type: 'file', label: 'Document' }] },
})
const redis = await useRedis()
const client = await redis.connections.connect('patient')
const server = await useServer(redis, {
  settings: { BOT_TOKENS: `owner:${TOKEN}`, OWNER_CHECK: 'all', REQUEST_TTL: '600' },
  services: createCatalog([service], new Map([['report', 'owner']])),
})
const given = (...commands: Command[]) =>
  server.given(commands, { service_slug: 'report', session_id: SESSION })
const post = async (
  hash: string,
  bytes: Buffer | string,
  { name = 'report.pdf', type = 'application/pdf', attempt = 1, token = TOKEN } = {},
) => {
  const address = `${server.address}/api/bots/requests/${hash}/files?name=${encodeURIComponent(name)}`
  const response = await fetch(address, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'x-attempt': String(attempt), 'content-type': type },
    body: typeof bytes === 'string' ? bytes : new Uint8Array(bytes),
  })
  return { status: response.status, body: (await response.json()) as Record<string, string> }
}
const SESSION = 'session-of-the-owner-'
const cookie = server.sessionCookie(SESSION)
const fileOf = (hash: string, id: string) =>
  server.api.get(`/services/report/result/${hash}/files/${id}`).buffer(true).set('Cookie', cookie)
const complete = (result: unknown): Command => ({ type: 'complete', attempt: 1, result })
const PDF = Buffer.from('%PDF-1.7 \u0000\u0001\u00ff', 'latin1')

it('a file is linked from the result page, and only its submitter downloads it', async () => {
  const hash = await given(START)
  const { status, body: file } = await post(hash, PDF, { name: 'گزارش "1".pdf' })
  expect([status, file]).toEqual([201, { name: 'گزارش "1".pdf', size: PDF.length, id: '1.1' }])
  await fileOf(hash, '1.1').expect(404)
  await server.apply(hash, complete({ document: file }))
  const page = await server.api.get(`/services/report/result/${hash}`).set('Cookie', cookie).expect(200)
  expect(page.text).toContain(`<a href="/services/report/result/${hash}/files/1.1" download`)

  const { body, headers } = await fileOf(hash, '1.1').expect(200)
  expect(Buffer.compare(body, PDF)).toBe(0)
  expect(headers).toMatchObject({
    'content-type': 'application/pdf',
    'content-disposition': expect.stringMatching(/^attachment; filename=".*"; filename\*=UTF-8''%DA%AF/),
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  })
  await server.api.get(`/services/report/result/${hash}/files/1.1`).expect(403)
  for (const id of ['1.2', '2.1', 'x', '..%2F1.1']) await fileOf(hash, id).expect(404)
})

it('a page of another site cannot be passed off as a page of the server', async () => {
  const hash = await given(START)
  for (const type of ['text/html', 'no type', 'a/b\tc']) await post(hash, '<script>1</script>', { type })
  await server.apply(hash, complete(1))
  const types: string[] = []
  for (const id of ['1.1', '1.2', '1.3']) {
    const { headers } = await fileOf(hash, id).expect(200)
    expect(headers['content-disposition']).toMatch(/^attachment/)
    expect(headers['content-security-policy']).toBe("default-src 'none'; sandbox")
    expect(headers['content-security-policy']).toContain("default-src 'none'")
    types.push(headers['content-type'] ?? '')
  }
  expect(types).toEqual(['text/html', 'application/octet-stream', 'application/octet-stream'])
})

it('a request has at most five files, and a new attempt replaces those of the one before', async () => {
  const hash = await given(START)
  const stored = await Promise.all(Array.from({ length: 7 }, () => post(hash, 'x')))
  expect(stored.map(({ status }) => status).sort()).toEqual([201, 201, 201, 201, 201, 422, 422])
  await server.apply(hash, { type: 'start', attempt: 2 })
  expect(await post(hash, 'x')).toMatchObject({ status: 409, body: { code: 'stale_attempt' } })
  expect((await post(hash, 'y', { attempt: 2 })).body.id).toBe('2.1')
  expect(await client.hkeys(keys.files(hash))).toEqual(['2.1'])
  expect(await client.exists(keys.file(hash, '1.1'))).toBe(0)
})

it('an empty file, one over 5 MB, an invalid name, and another bot are refused', async () => {
  const hash = await given(START)
  expect((await post(hash, Buffer.alloc(5 * 1024 * 1024))).status).toBe(201)
  expect((await post(hash, Buffer.alloc(5 * 1024 * 1024 + 1))).status).toBe(413)
  expect((await post(hash, '')).status).toBe(422)
  for (const name of ['', 'a/b', 'a\\b', 'a\r\nb', 'x'.repeat(201)])
    expect((await post(hash, 'x', { name })).status).toBe(422)
  expect((await post(hash, 'x', { token: 'token-of-another' })).status).toBe(401)
  await server.apply(hash, { type: 'cancel', by: 'user' })
  expect(await post(hash, 'x')).toMatchObject({ status: 409, body: { code: 'already_final' } })
})

it('files expire with the record, which the end renews, and are deleted with a failure', async () => {
  const expiryOf = (key: string) => client.pexpiretime(key)
  const ends: Command[] = [complete(1), { type: 'cancel', by: 'user' }]
  for (const end of ends) {
    const hash = await server.given([START], { service_slug: 'report', now: Date.now() - 60_000 })
    await post(hash, 'x')
    const before = await expiryOf(keys.file(hash, '1.1'))
    expect(before).toBe(await expiryOf(keys.record(hash)))
    const store = createRequestStore({ redis: client, ttlSeconds: 3600 })
    await store.apply(hash, end)
    if (end.type === 'cancel') expect(await client.exists(keys.file(hash, '1.1'), keys.files(hash))).toBe(0)
    else {
      const renewed = await expiryOf(keys.record(hash))
      expect(renewed).toBeGreaterThan(before)
      for (const key of [keys.file(hash, '1.1'), keys.files(hash)]) expect(await expiryOf(key)).toBe(renewed)
    }
  }
})
