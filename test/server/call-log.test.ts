/** The log of calls: all of them with LOG_LEVEL=debug, failures only with info. */
import { describe, expect, test } from 'vitest'
import { keys } from '../helpers/keys.ts'
import { aHash, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, collectLog, useServer } from '../helpers/server.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')

interface Line {
  level: number
  msg: string
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
            req: { method: method.toUpperCase(), path },
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
  test('LOG_LEVEL=info logs no successful call', async () => {
    const { api, calls, lines, stop } = await serverWith('info')
    for (const { method, path, status, ...call } of calls)
      await api[method](path)
        .send('body' in call ? call.body : undefined)
        .expect(status)
    await stop()
    expect(lines).toEqual([])
  })

  test('LOG_LEVEL=info logs a call that fails', async () => {
    const { api, logged } = await serverWith('info')
    const hash = aHash()
    await client.lpush(keys.record(hash), 'not a text')
    await api.get(`/api/local-requests/${hash}/status`).expect(500)
    expect(logged()).toMatchObject([
      { level: 40, msg: 'another program stored an invalid record' },
      { level: 50, msg: 'call failed', err: { error_code: 'unreadable_record' } },
    ])
  })
})
