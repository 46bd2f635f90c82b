/** A service with `dedupe: "active"`: an identical submit of a session returns its running request. */
import { describe, expect, test } from 'vitest'
import { MAX_ENDED_CHECKED } from '../../server/accept-request.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const server = await useServer(await useRedis())

let people = 0
/** A browser, identified by its session cookie. */
function newSubmitter() {
  const cookie = server.sessionCookie(String(people++).padStart(21, 'x'))
  return async (request_data: object = CREDIT_SCORE.request_data, service_slug = 'credit-score-rating') => {
    const answer = await server.api
      .post('/api/local-requests')
      .set('cookie', cookie)
      .send({ service_slug, request_data })
      .expect(202)
    return answer.body.hash as string
  }
}

describe('the same session submitting the same data', () => {
  test('the same submit by the same session returns the unfinished request, in any state', async () => {
    const ask = newSubmitter()
    const hash = await ask()
    expect(await ask()).toBe(hash)
    await server.apply(hash, START)
    expect(await ask({ ...CREDIT_SCORE.request_data, mobile: '۰۹۱۲ ۳۴۵ ۶۷۸۹' })).toBe(hash)
  })

  test('20 identical concurrent submits of one session create one request', async () => {
    const ask = newSubmitter()
    const hashes = await Promise.all(Array.from({ length: 20 }, () => ask()))
    expect(new Set(hashes).size).toBe(1)
  })

  test('an identical submit after the end of a request creates another one, which later submits return', async () => {
    const ask = newSubmitter()
    const first = await ask()
    await server.apply(first, { type: 'cancel', by: 'user' })
    const second = await ask()
    expect(second).not.toBe(first)
    expect(await ask()).toBe(second)
  })

  test('after MAX_ENDED_CHECKED ended requests each identical submit creates its own request', async () => {
    const ask = newSubmitter()
    for (let ended = 0; ended < MAX_ENDED_CHECKED; ended++)
      await server.apply(await ask(), { type: 'cancel', by: 'user' })
    expect(await ask()).not.toBe(await ask())
  })

  test('a submit with other data creates another request', async () => {
    const ask = newSubmitter()
    expect(await ask({ ...CREDIT_SCORE.request_data, mobile: '09120000000' })).not.toBe(await ask())
  })

  test('a service without dedupe creates a request for each submit', async () => {
    const ask = newSubmitter()
    const data = { url: 'https://example.com/' }
    expect(await ask(data, 'link-check')).not.toBe(await ask(data, 'link-check'))
  })
})

describe('another caller', () => {
  test('an identical submit of another session creates its own request', async () => {
    expect(await newSubmitter()()).not.toBe(await newSubmitter()())
  })

  test('identical submits without a session create a request each, also from the same address', async () => {
    const hashes = await Promise.all(
      [1, 2].map(
        async () => (await server.api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)).body.hash,
      ),
    )
    expect(hashes[0]).not.toBe(hashes[1])
  })
})
