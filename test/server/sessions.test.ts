/** Sessions signed by this installation, and forged ones. */
import { describe, expect, it } from 'vitest'
import { keys } from '../helpers/keys.ts'
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
  it("the record of a browser's request has the session id without its signature", async () => {
    const cookie = await newCookie()
    const { body } = await submit({ Cookie: cookie }).expect(202)
    expect(cookie).toContain(`=${await sessionIn(body.hash)}.`)
  })

  it('a session is valid on every server of the installation', async () => {
    const cookie = await newCookie()
    const { body } = await submit({ Cookie: cookie }, second.api).expect(202)
    expect(await sessionIn(body.hash)).toHaveLength(21)
  })

  it('a session cookie with an invalid signature is ignored', async () => {
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

  it('a valid session cookie is found behind other cookies of its name', async () => {
    const cookie = await newCookie()
    const { body } = await submit({ Cookie: `halfway_session=${'a'.repeat(21)}; ${cookie}` }).expect(202)
    expect(await sessionIn(body.hash)).not.toBeNull()
  })

  it('an Idempotency-Key with a forged session cookie is scoped to the address', async () => {
    const send = (id: string) =>
      submit({ Cookie: `halfway_session=${id.repeat(21)}`, 'Idempotency-Key': 'made-up' }).expect(202)
    expect((await send('a')).body.hash).toBe((await send('b')).body.hash)
  })
})

describe('fair scheduling against many submitters of one network', () => {
  const together = (one: (i: number) => PromiseLike<unknown>) =>
    Promise.all(Array.from({ length: 58 }, (_, i) => one(i)))
  /** The queue position of another address after this one has sent 58 requests, each in another session. */
  async function placeBehind(address: string, cookieOf: (i: number) => Promise<string> | string) {
    await redis.del(await redis.keys('halfway:inquiries:*'))
    await together(async (i) => submit({ ...from(address), Cookie: await cookieOf(i) }).expect(202))
    const { body } = await submit(from(`${address}0`)).expect(202)
    return body.queue_position
  }

  it('58 requests with forged sessions of one address do not delay another address', async () => {
    expect(await placeBehind('192.0.2.1', (i) => `halfway_session=${String(i).padStart(21, 'x')}`)).toBe(2)
  })

  it('58 requests with signed sessions of one address hardly delay another address', async () => {
    expect(await placeBehind('192.0.2.2', () => newCookie(from('192.0.2.2')))).toBeLessThanOrEqual(4)
  })

  it('58 requests of addresses in one IPv6 network do not delay another network', async () => {
    await redis.del(await redis.keys('halfway:inquiries:*'))
    await together((i) => submit(from(`2001:db8:1:2::${i}`)).expect(202))
    const { body } = await submit(from('2001:db8:2::1')).expect(202)
    expect(body.queue_position).toBe(2)
  })
})
