/** How long an Idempotency-Key is stored: as long as its request is readable. */
import { describe, expect, it } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const SUBMIT = '/api/local-requests'
const TTL_MS = 1_800_000

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const usual = await useServer(testRedis)
const brief = await useServer(testRedis, { settings: { REQUEST_TTL: '4' } })

const submit = (key: string, server = usual, scheduleOptions: object = {}) =>
  server.api
    .post(SUBMIT)
    .set({ 'Idempotency-Key': key, 'X-Forwarded-For': '192.0.2.1' })
    .send({ ...CREDIT_SCORE, ...scheduleOptions })
    .expect(202)
const lifeOf = async (key: string): Promise<number> => {
  const caller = 'address:192.0.2.1'
  const names = [keys.idempotency(caller, key), keys.idempotencyAnswer(caller, key)]
  return Math.min(...(await Promise.all(names.map((name) => redis.pttl(name)))))
}
const recordLife = (hash: string): Promise<number> => redis.pttl(keys.record(hash))

describe('an Idempotency-Key', () => {
  it('an Idempotency-Key replays the first response as long as a request that ended late is readable', async () => {
    const { body: first } = await submit('ended-late', brief)
    await brief.apply(first.hash, START)
    await eventually(async () => expect(await recordLife(first.hash)).toBeLessThan(2500), { everyMs: 10 })
    await brief.apply(first.hash, { type: 'complete', attempt: 1, result: {} })
    // Later than the record's first expiry.
    await eventually(async () => expect(await recordLife(first.hash)).toBeLessThan(2400), { everyMs: 10 })
    expect((await submit('ended-late', brief)).body).toEqual(first)
    expect(await recordLife(first.hash)).toBeGreaterThan(0)
  })

  it.each([
    ['runs immediately', {}, 0],
    ['is scheduled', { delay: 3600 }, 3_600_000],
  ])(
    "the Idempotency-Key of a request that %s is stored for the request's longest possible life",
    async (what, scheduleOptions, waitMs) => {
      const { body } = await submit(what, usual, scheduleOptions)
      const life = await lifeOf(what)
      expect(life).toBeGreaterThan(waitMs + 2 * TTL_MS - 10_000)
      expect(life).toBeLessThanOrEqual(waitMs + 2 * TTL_MS)
      expect(life).toBeGreaterThan((await recordLife(body.hash)) + TTL_MS - 10_000)
    },
  )

  it('an Idempotency-Key is stored longer than a request that another program ended', async () => {
    const { body } = await submit('foreign')
    const record = JSON.parse((await redis.get(keys.record(body.hash))) ?? '')
    const ended = { ...record, status: 'completed', result_data: {} }
    await redis.setex(keys.record(body.hash), 1800, JSON.stringify(ended))
    await usual.api.get(`${SUBMIT}/${body.hash}/status`).expect(200)
    expect(await lifeOf('foreign')).toBeGreaterThan(await recordLife(body.hash))
    expect((await submit('foreign')).body).toEqual(body)
  })
})
