/** Large bodies of one caller delay no other request. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { paced } from '../../server/pace.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const SUBMIT = '/api/local-requests'
const LIMIT = 20
const { address } = await useServer(await useRedis(), {
  settings: { BATCHES_PER_MINUTE: `${LIMIT}`, SUBMITS_PER_MINUTE: '1000', TRUST_PROXY: '1' },
})
const post = (body: string | Buffer, from: string, headers: Record<string, string> = {}) =>
  fetch(address + SUBMIT, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': from, ...headers },
    body: body as BodyInit,
  })

function holdEventLoop(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

describe('paced work', () => {
  it('paced work yields to the event loop after each long piece', async () => {
    const order: string[] = []
    const long = (name: string) =>
      paced(() => {
        setImmediate(() => order.push(`after ${name}`))
        holdEventLoop(10)
        order.push(name)
      })
    await Promise.all([long('a'), long('b'), long('c')])
    expect(order.slice(0, 5)).toEqual(['a', 'after a', 'b', 'after b', 'c'])
  })

  it('paced work continues after a piece that throws', async () => {
    const failed = paced(() => {
      throw new Error('broken')
    })
    const next = paced(() => 'done')
    await expect(failed).rejects.toThrow('broken')
    expect(await next).toBe('done')
  })
})

describe('large bodies', () => {
  it.each([
    ['no JSON', 'x'.repeat(65 * 1024), {}],
    ['no batch', JSON.stringify({ a: 'x'.repeat(65 * 1024) }), {}],
    ['compressed', gzipSync('x'), { 'content-encoding': 'gzip' }],
    [
      'batches of unknown services',
      JSON.stringify({ requests: Array(700).fill({ ...CREDIT_SCORE, service_slug: 'x' }) }),
      {},
    ],
  ])('large bodies that are %s each count once towards the batch limit', async (name, body, headers) => {
    const from = `10.0.0.${name.length}`
    const calls = Array.from({ length: LIMIT + 1 }, () => post(body, from, headers))
    const statuses = (await Promise.all(calls)).map(({ status }) => status)
    expect(statuses.filter((status) => status === 429)).toHaveLength(1)
  })
})
