/** A service with `dedupe: "active"`: the same person asking the same thing gets the running request back. */
import { describe, expect, test } from 'vitest'
import { MAX_ENDED_CHECKED } from '../../server/accept-request.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const server = await useServer(await useRedis())

let people = 0
/** Somebody with a browser: the session cookie tells who it is. */
function someone() {
  const cookie = server.cookieOf(String(people++).padStart(21, 'x'))
  return async (request_data: object = CREDIT_SCORE.request_data, service_slug = 'credit-score-rating') => {
    const answer = await server.api
      .post('/api/local-requests')
      .set('cookie', cookie)
      .send({ service_slug, request_data })
      .expect(202)
    return answer.body.hash as string
  }
}

describe('the same person asking the same thing', () => {
  test('gets the running request back, in whatever state it runs', async () => {
    const ask = someone()
    const hash = await ask()
    expect(await ask()).toBe(hash)
    await server.apply(hash, START)
    expect(await ask({ ...CREDIT_SCORE.request_data, mobile: '۰۹۱۲ ۳۴۵ ۶۷۸۹' })).toBe(hash)
  })

  test('twenty times at once makes one request', async () => {
    const ask = someone()
    const hashes = await Promise.all(Array.from({ length: 20 }, () => ask()))
    expect(new Set(hashes).size).toBe(1)
  })

  test('gets a new one once the running one has ended, and that one back from then on', async () => {
    const ask = someone()
    const first = await ask()
    await server.apply(first, { type: 'cancel', by: 'user' })
    const second = await ask()
    expect(second).not.toBe(first)
    expect(await ask()).toBe(second)
  })

  test('gets a request of their own each time once very many of them have ended', async () => {
    const ask = someone()
    for (let ended = 0; ended < MAX_ENDED_CHECKED; ended++)
      await server.apply(await ask(), { type: 'cancel', by: 'user' })
    expect(await ask()).not.toBe(await ask())
  })

  test('gets a new one for other data', async () => {
    const ask = someone()
    expect(await ask({ ...CREDIT_SCORE.request_data, mobile: '09120000000' })).not.toBe(await ask())
  })

  test('gets a new one from a service that does not say so', async () => {
    const ask = someone()
    const data = { url: 'https://example.com/' }
    expect(await ask(data, 'link-check')).not.toBe(await ask(data, 'link-check'))
  })
})

describe('somebody else', () => {
  test('asking the same thing never gets another person’s request', async () => {
    expect(await someone()()).not.toBe(await someone()())
  })

  test('without a session always gets a request of their own, also from the same address', async () => {
    const hashes = await Promise.all(
      [1, 2].map(
        async () => (await server.api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)).body.hash,
      ),
    )
    expect(hashes[0]).not.toBe(hashes[1])
  })
})
