/** The log of calls: all of them with LOG_LEVEL=debug, failures only with info. */

import { describe, expect, test } from 'vitest'
import { shortReference } from '../../core/domain/short-reference.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, collectLog, useServer } from '../helpers/server.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')

/** As the log names a request. */
const withReference = (path: string): string => path.replace(/req_[\w-]+/, shortReference)

interface Line {
  level: number
  msg: string
  call_id?: string
  request?: string
  req?: { method: string; path: string }
  res?: { status: number }
  err?: { error_code?: string }
}

async function serverWith(level: string) {
  const { log, lines } = collectLog(level)
  const server = await useServer(redis, { log })
  const calls = [
    { method: 'post', path: '/api/local-requests', body: CREDIT_SCORE, status: 202 },
    { method: 'get', path: `/api/local-requests/${await server.given([START])}/status`, status: 200 },
    { method: 'head', path: `/api/local-requests/${await server.given()}/status`, status: 200 },
    { method: 'get', path: `/api/local-requests/${aHash()}/status`, status: 404 },
    { method: 'get', path: `/services/test-service/progress/${await server.given()}`, status: 200 },
    { method: 'get', path: '/nowhere', status: 404 },
  ] as const
  return { ...server, calls, logged: () => lines.map((line) => JSON.parse(line) as Line), lines }
}

describe('with LOG_LEVEL=debug', () => {
  test('LOG_LEVEL=debug logs each call once with method, path, status and time, status calls included', async () => {
    const { api, calls, logged } = await serverWith('debug')
    for (const { method, path, status, ...call } of calls) {
      const before = logged().length
      await api[method](path)
        .send('body' in call ? call.body : undefined)
        .expect(status)
      await expect
        .poll(() =>
          logged()
            .slice(before)
            .filter(({ req }) => req),
        )
        .toMatchObject([
          {
            level: 20,
            req: { id: expect.any(String), method: method.toUpperCase(), path: withReference(path) },
            res: { status },
            responseTime: expect.any(Number),
          },
        ])
    }
  })

  test('LOG_LEVEL=debug logs no query, header or body', async () => {
    const { api, given, lines } = await serverWith('debug')
    const path = `/api/local-requests/${await given([START])}/status`
    await api.get(`${path}?wait=0&mine=private-query`).set('X-Mine', 'private-header').expect(200)
    await api
      .post('/api/local-requests')
      .send({ ...CREDIT_SCORE, mine: 'private-body' })
      .expect(422)
    await expect.poll(() => lines.filter((line) => line.includes('"req"'))).toHaveLength(2)
    expect(lines.join('')).not.toContain('private-')
    expect(lines.join('')).not.toContain(CREDIT_SCORE.request_data.mobile)
  })
})

describe('with LOG_LEVEL=info', () => {
  test('LOG_LEVEL=info logs of successful calls only the accepted request, by its reference', async () => {
    const { api, calls, logged, lines, stop } = await serverWith('info')
    for (const { method, path, status, ...call } of calls)
      await api[method](path)
        .send('body' in call ? call.body : undefined)
        .expect(status)
    await stop()
    expect(logged()).toMatchObject([
      { msg: 'request accepted', call_id: expect.any(String), request: expect.stringMatching(/^\w{8}$/) },
    ])
    expect(lines.join('')).not.toContain('req_')
  })

  test('LOG_LEVEL=info logs a call that fails', async () => {
    const { api, logged, lines } = await serverWith('info')
    const hash = aHash()
    await client.lpush(keys.record(hash), 'not a text')
    const { body, headers } = await api
      .get(`/api/local-requests/${hash}/status`)
      .set('X-Request-Id', 'from-the-proxy.1')
      .expect(500)
    expect([body.call_id, headers['x-request-id']]).toEqual(['from-the-proxy.1', 'from-the-proxy.1'])
    expect(logged()).toMatchObject([
      { level: 40, msg: 'another program stored an invalid record', request: shortReference(hash) },
      {
        level: 50,
        msg: 'call failed',
        call_id: 'from-the-proxy.1',
        request: shortReference(hash),
        err: { error_code: 'unreadable_record' },
      },
    ])
    expect(lines.join('')).not.toContain(hash)
  })
})

describe('the id of a call', () => {
  test.each(['two words', 'x'.repeat(101), 'a"b', 'a\u00e9'])(
    'the id %j that a caller sends is replaced by a new one',
    async (given) => {
      const { api } = await serverWith('info')
      const call = api.get('/nowhere').set('X-Request-Id', Buffer.from(given, 'utf8').toString('latin1'))
      const { headers } = await call.expect(404)
      expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    },
  )

  test('two calls have two ids, which stand in their problems', async () => {
    const { api } = await serverWith('info')
    const ids = await Promise.all(
      [1, 2].map(async () => (await api.get('/api/nothing').expect(404)).body.call_id as string),
    )
    expect(new Set(ids).size).toBe(2)
  })
})
