/** TRUST_PROXY: whose X-Forwarded-For is used, and how. */
import { describe, expect, it } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, collectLog, useServer } from '../helpers/server.ts'

const SUBMIT = '/api/local-requests'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')

/** Statuses of submits forwarded for these addresses, with a limit of two a minute each. */
async function submitsFor(TRUST_PROXY: string, forwardedFor: readonly string[]): Promise<number[]> {
  await redis.flushdb()
  const { log, lines } = collectLog('warn')
  const server = await useServer(testRedis, { settings: { TRUST_PROXY, SUBMITS_PER_MINUTE: '2' }, log })
  const statuses: number[] = []
  for (const address of forwardedFor) {
    const { status } = await server.api.post(SUBMIT).set('X-Forwarded-For', address).send(CREDIT_SCORE)
    statuses.push(status)
  }
  await server.stop()
  warnings = lines.filter((line) => line.includes('X-Forwarded-For'))
  return statuses
}
let warnings: string[] = []

describe('an address in X-Forwarded-For', () => {
  const four = ['192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.1']

  it.each(['1', 'loopback', '127.0.0.0/8', '10.0.0.1,127.0.0.1'])(
    "TRUST_PROXY=%s: the address in X-Forwarded-For of a trusted proxy is the caller's",
    async (trust) => {
      expect(await submitsFor(trust, four)).toEqual([202, 202, 202, 429])
      expect(warnings).toEqual([])
      expect(await redis.exists(keys.untrustedProxy)).toBe(0)
    },
  )

  it.each(['0', '10.0.0.0/8'])(
    'TRUST_PROXY=%s: X-Forwarded-For of an untrusted proxy is ignored and logged once',
    async (trust) => {
      expect(await submitsFor(trust, four)).toEqual([202, 202, 429, 429])
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toContain('TRUST_PROXY')
      expect(warnings[0]).not.toContain('192.0.2')
      await eventually(async () => expect(await redis.ttl(keys.untrustedProxy)).toBeGreaterThan(0))
    },
  )

  it('an address in X-Forwarded-For counts as the same with a port and in IPv4-mapped form', async () => {
    const same = ['192.0.2.1', '192.0.2.1:4711', '::ffff:192.0.2.1', '[::ffff:192.0.2.1]:80']
    expect(await submitsFor('1', same)).toEqual([202, 202, 429, 429])
  })

  it("an IPv6 address in X-Forwarded-For counts for its customer's network", async () => {
    const three = ['2001:db8:0:1::1', '2001:db8:0:2::2', '[2001:db8:0:3::3]:443', '2001:db8:1:1::1']
    expect(await submitsFor('1', three)).toEqual([202, 202, 429, 202])
  })

  it("invalid text in X-Forwarded-For counts as the proxy's address and is in no Redis key", async () => {
    const none = ['evil-1', 'evil 2', '1', '192.0.2', '192.0.2.999', 'evil::6', '<evil>', '" evil', 'unknown']
    expect(await submitsFor('1', none)).toEqual([202, 202, ...none.slice(2).map(() => 429)])
    const names = await redis.keys('*')
    expect(names.filter((name) => name.includes(':rate:'))).toEqual([
      expect.stringMatching(/:rate:submit:[\w-]{16}$/),
    ])
    expect(names.join()).not.toContain('evil')
  })

  it('invalid text in X-Forwarded-For does not scope an Idempotency-Key', async () => {
    const { api } = await useServer(testRedis, { settings: { TRUST_PROXY: '1' } })
    const send = (address: string) =>
      api.post(SUBMIT).set({ 'X-Forwarded-For': address, 'Idempotency-Key': 'of-garbage' }).send(CREDIT_SCORE)
    expect((await send('evil-1')).body.hash).toBe((await send('evil-2')).body.hash)
  })
})
