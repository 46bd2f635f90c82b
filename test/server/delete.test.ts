/** Deleting a request that has ended, before its time. */
import { beforeEach, describe, expect, test } from 'vitest'
import { createCodeLinks } from '../../core/store/code-links.ts'
import { createFailedRequests } from '../../core/store/failed-requests.ts'
import { createRequestFiles } from '../../core/store/request-files.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api, store, given, apply, sessionCookie, sessionIdOf } = await useServer(testRedis)
const owned = await useServer(testRedis, { settings: { OWNER_CHECK: 'actions' } })
const failures = createFailedRequests({ redis })

const remove = (hash: string) => api.delete(`/api/local-requests/${hash}`)
const SESSION = 'session-0000000000001'
const COMPLETE = { type: 'complete', attempt: 1, result: { score: 'a-private-result' } } as const
const FAIL = {
  type: 'fail',
  attempt: 1,
  error: { code: 'timed_out', message: 'a-private-message', retryable: true },
} as const

beforeEach(() => redis.flushdb())

describe('a deletion', () => {
  test('a deletion of an ended request answers 204, and every later call answers 410', async () => {
    for (const end of [COMPLETE, FAIL, { type: 'cancel', by: 'user' }] as const) {
      const hash = await given([START, end])
      const res = await remove(hash).expect(204)
      expect(res.headers['cache-control']).toBe('no-store')
      expect(res.text).toBe('')
      for (const path of ['status', 'events', 'result', 'status?wait=1&after=0'])
        expect((await api.get(`/api/local-requests/${hash}/${path}`).expect(410)).body.code).toBe(
          'request_expired',
        )
      expect((await remove(hash).expect(410)).body.code).toBe('request_expired')
      expect((await api.post(`/api/local-requests/${hash}/cancel`).expect(410)).body.code).toBe(
        'request_expired',
      )
    }
  })

  test('a deletion of a request that has not ended is refused with 409 and changes nothing', async () => {
    for (const commands of [[], [START], [START, REQUIRE_OTP]]) {
      const hash = await given(commands)
      const before = await redis.get(keys.record(hash))
      expect((await remove(hash).expect(409)).body).toMatchObject({ code: 'not_final', retryable: true })
      expect(await redis.get(keys.record(hash))).toBe(before)
    }
  })

  test('a deletion of a request that never existed answers 404', async () => {
    expect((await remove(aHash()).expect(404)).body.code).toBe('request_not_found')
    await api.put(`/api/local-requests/${aHash()}`).expect(405).expect('Allow', 'GET, HEAD, DELETE')
  })

  test('only who may cancel a request may delete it', async () => {
    const hash = await owned.given([START, COMPLETE])
    expect((await owned.api.delete(`/api/local-requests/${hash}`).expect(403)).body.code).toBe('not_owner')
    expect(await redis.exists(keys.record(hash))).toBe(1)
  })
})

describe('after a deletion', () => {
  /** A request with everything that Redis may hold of one. */
  async function submitted(): Promise<{ hash: string; key: string }> {
    const key = `a-private-key-${Math.random()}`
    const { body } = await api
      .post('/api/local-requests')
      .set({ 'Idempotency-Key': key, Cookie: sessionCookie(SESSION) })
      .send(CREDIT_SCORE)
      .expect(202)
    const hash: string = body.hash
    await apply(hash, START)
    await apply(hash, REQUIRE_OTP)
    await createCodeLinks({ redis }).create(hash, (await store.get(hash)).record.otp_data as never)
    await api.post(`/api/local-requests/${hash}/otp`).send({ otp: '483920' }).expect(202)
    const { record } = await store.get(hash)
    await createRequestFiles({ redis }).add(record, {
      name: 'a-private-file.txt',
      type: 'text/plain',
      bytes: Buffer.from('a-private-content'),
    })
    await store.heartbeat(record)
    await redis.hset(keys.resendTaken(hash), 'otp-1:1', '1')
    return { hash, key }
  }

  test('Redis holds neither its hash nor what was typed, in no key and no value', async () => {
    const { hash } = await submitted()
    const typed = [...Object.values(CREDIT_SCORE.request_data), '483920']
    const secrets = [hash, ...typed, 'a-private-file', 'a-private-content', sessionIdOf(SESSION)]
    const full = await redisContents(redis)
    for (const text of secrets) expect(full).toContain(text)
    await apply(hash, FAIL)
    expect(await failures.find(hash)).not.toBeNull()
    await remove(hash).expect(204)
    const contents = await redisContents(redis)
    for (const text of [...secrets, 'a-private-message']) expect(contents).not.toContain(text)
    expect(await redis.exists(keys.removed(hash))).toBe(1)
  })

  test('Redis holds neither its result nor the files of it', async () => {
    const { hash } = await submitted()
    await apply(hash, COMPLETE)
    const secrets = [hash, 'a-private-content', 'a-private-file', 'a-private-result']
    const full = await redisContents(redis)
    for (const text of secrets) expect(full).toContain(text)
    await remove(hash).expect(204)
    const contents = await redisContents(redis)
    for (const text of secrets) expect(contents).not.toContain(text)
  })

  test('the same submit with its Idempotency-Key makes another request', async () => {
    const { hash, key } = await submitted()
    await apply(hash, COMPLETE)
    await remove(hash).expect(204)
    const { body, headers } = await api
      .post('/api/local-requests')
      .set({ 'Idempotency-Key': key, Cookie: sessionCookie(SESSION) })
      .send(CREDIT_SCORE)
      .expect(202)
    expect(body.hash).not.toBe(hash)
    expect(headers['idempotency-replayed']).toBeUndefined()
  })

  test('the code that it had sent still counts for its recipient', async () => {
    const { hash } = await submitted()
    const { subject } = (await store.get(hash)).record
    const key = keys.subject('codes', subject as string)
    await apply(hash, COMPLETE)
    const before = await redis.zcard(key)
    expect(before).toBeGreaterThan(0)
    await remove(hash).expect(204)
    expect(await redis.zcard(key)).toBe(before)
    expect(JSON.stringify(await redis.zrange(key, '0', '-1'))).not.toContain(hash)
  })

  test('a failed request stays retried when its retry is deleted', async () => {
    const failed = await given([START])
    await apply(failed, FAIL)
    const retry = await given([START, COMPLETE], { retry_of: failed })
    await failures.claimRetry(failed, retry)
    await remove(retry).expect(204)
    expect((await failures.find(failed))?.retried_as).toBe('removed')
    expect(await failures.claimRetry(failed, aHash())).toBe('removed')
  })
})

describe('a client that follows a request that is deleted', () => {
  test('a watch and a long poll of an ended request end at once, in every process', async () => {
    const hash = await given([START, COMPLETE])
    const other = await useServer(testRedis)
    const events: string[] = []
    const watch = await other.watcher.watch(hash, {
      onUpdate: () => events.push('update'),
      onExpired: () => events.push('expired'),
    })
    const version = watch.latest.view.version
    const poll = other.api
      .get(`/api/local-requests/${hash}/status?after=${version}&wait=25`)
      .then((res) => res)
    await eventually(() => expect(other.watcher.size).toBe(1))
    await remove(hash).expect(204)
    await eventually(() => expect(events).toEqual(['expired']))
    expect((await poll).status).toBe(410)
    watch.stop()
  })
})
