/** Sessions that this installation has signed, and those that it has not. */
import { describe, expect, it } from 'vitest'
import { keys } from '../helpers/names.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const SUBMIT = '/api/local-requests'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api } = await useServer(testRedis)
const second = await useServer(testRedis)

const submit = (headers: Record<string, string>, to = api) => to.post(SUBMIT).set(headers).send(CREDIT_SCORE)
const sessionIn = async (hash: string): Promise<string | null> =>
  JSON.parse((await redis.get(keys.record(hash))) ?? '{}').session_id ?? null
const newCookie = async (headers: Record<string, string> = {}): Promise<string> =>
  String((await api.get('/').set(headers)).headers['set-cookie']?.[0]).split(';')[0] as string
const from = (address: string) => ({ 'X-Forwarded-For': address })

describe('a session', () => {
  it('that the server gave is the id in the record, without its signature', async () => {
    const cookie = await newCookie()
    const { body } = await submit({ Cookie: cookie }).expect(202)
    expect(cookie).toContain(`=${await sessionIn(body.hash)}.`)
  })

  it('counts at every server of the installation', async () => {
    const cookie = await newCookie()
    const { body } = await submit({ Cookie: cookie }, second.api).expect(202)
    expect(await sessionIn(body.hash)).toHaveLength(21)
  })

  it('that nobody signed, or somebody else, counts as none', async () => {
    const [id = '', signature = ''] = (await newCookie()).split('=')[1]?.split('.') ?? []
    const [, otherSignature] = (await newCookie()).split('.')
    for (const value of [
      id,
      `${id}.`,
      `${id}.${otherSignature}`,
      `${'a'.repeat(21)}.${signature}`,
      `${id}.${signature}x`,
    ]) {
      const { body } = await submit({ Cookie: `halfway_session=${value}` }).expect(202)
      expect(await sessionIn(body.hash), value).toBeNull()
    }
  })

  it('is found behind others of its name', async () => {
    const cookie = await newCookie()
    const { body } = await submit({ Cookie: `halfway_session=${'a'.repeat(21)}; ${cookie}` }).expect(202)
    expect(await sessionIn(body.hash)).not.toBeNull()
  })

  it('that is made up does not scope an Idempotency-Key: the address does', async () => {
    const send = (id: string) =>
      submit({ Cookie: `halfway_session=${id.repeat(21)}`, 'Idempotency-Key': 'made-up' }).expect(202)
    expect((await send('a')).body.hash).toBe((await send('b')).body.hash)
  })
})

describe('an honest person waits behind no crowd', () => {
  const together = (one: (i: number) => PromiseLike<unknown>) =>
    Promise.all(Array.from({ length: 58 }, (_, i) => one(i)))
  /** Where somebody else stands, after this address has sent 58 requests, each in another session. */
  async function placeBehind(address: string, cookieOf: (i: number) => Promise<string> | string) {
    await redis.del(await redis.keys('halfway:inquiries:*'))
    await together(async (i) => submit({ ...from(address), Cookie: await cookieOf(i) }).expect(202))
    const { body } = await submit(from(`${address}0`)).expect(202)
    return body.queue_position
  }

  it('of made-up sessions', async () => {
    expect(await placeBehind('192.0.2.1', (i) => `halfway_session=${String(i).padStart(21, 'x')}`)).toBe(2)
  })

  it('of sessions that one address had made', async () => {
    expect(await placeBehind('192.0.2.2', () => newCookie(from('192.0.2.2')))).toBeLessThanOrEqual(4)
  })

  it('of addresses in one IPv6 network', async () => {
    await redis.del(await redis.keys('halfway:inquiries:*'))
    await together((i) => submit(from(`2001:db8:1:2::${i}`)).expect(202))
    const { body } = await submit(from('2001:db8:2::1')).expect(202)
    expect(body.queue_position).toBe(2)
  })
})
