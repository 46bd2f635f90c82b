import { describe, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, PRIVATE, progressTo, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const { client: redis, foreignWrite, subscriptions } = await useRequests(testRedis)
const { address, api, watcher, given, apply } = await useServer(testRedis)

const statusUrl = (hash: string, query = ''): string => `/api/local-requests/${hash}/status${query}`
const look = (hash: string, query = '') => api.get(statusUrl(hash, query))
const COMPLETE = { type: 'complete', attempt: 1, result: { score: 712 } } as const

/** Resolves once the server watches a request for the long poll. */
const longPollStarts = (): Promise<void> => eventually(() => expect(watcher.size).toBe(1))

describe('the status', () => {
  test('the address of the request itself answers as its status does', async () => {
    const hash = await given([START, progressTo(30)])
    const read = (path: string, tag = '') =>
      api.get(`/api/local-requests/${hash}${path}`).set('If-None-Match', tag)
    const [own, status] = [await read('').expect(200), await read('/status').expect(200)]
    expect(own.body).toEqual(status.body)
    for (const name of ['etag', 'retry-after', 'cache-control', 'content-type'])
      expect(own.headers[name], name).toBe(status.headers[name])
    await read('', own.headers.etag).expect(304)
    await api.get(`/api/local-requests/${hash}?after=1&wait=1`).expect(200)
    await api.get(`/api/local-requests/${aHash()}`).expect(404)
  })

  test('the status is the public view with exactly the documented fields', async () => {
    const hash = await given([
      START,
      { type: 'progress', attempt: 1, progress: 50, step: 'second', message: 'حل کپچا...' },
    ])
    const res = await look(hash).expect(200)
    const { created_at } = res.body
    expect(res.body).toEqual({
      hash,
      service_slug: 'test-service',
      status: 'processing',
      step: 'second',
      progress: 50,
      current_message: 'حل کپچا...',
      estimated_remaining_time: 30,
      estimated_remaining_range: null,
      is_late: false,
      requires_otp: false,
      is_completed: false,
      is_failed: false,
      is_cancelled: false,
      is_expired: false,
      steps: [
        { id: 'first', state: 'done', started_at: null, finished_at: null },
        { id: 'second', state: 'current', started_at: created_at, finished_at: null },
        { id: 'third', state: 'waiting', started_at: null, finished_at: null },
      ],
      queue_position: null,
      queue_hold: null,
      bot_seen_at: null,
      attempt: 1,
      max_attempts: 3,
      next_retry_at: null,
      otp_data: null,
      result_data: null,
      error_data: null,
      cancel_reason: null,
      run_at: null,
      retry_of: null,
      version: 3,
      created_at,
      started_at: created_at,
      updated_at: created_at,
      completed_at: null,
      expires_at: new Date(Date.parse(created_at) + TTL_SECONDS * 1000).toISOString(),
    })
  })

  test('the status has no private fields in any state', async () => {
    const hashes = [
      await given(),
      await given([START, REQUIRE_OTP]),
      await given([START, COMPLETE]),
      await given([START, { type: 'fail', attempt: 1, error: { code: 'x', message: 'y', retryable: true } }]),
      await given([{ type: 'cancel', by: 'user' }]),
    ]
    for (const hash of hashes) {
      const { text, headers } = await look(hash).expect(200)
      for (const hidden of [
        ...Object.values(PRIVATE),
        'request_data',
        'user_id',
        'session_id',
        'requested_at',
        '"resends"',
      ]) {
        expect(text + JSON.stringify(headers)).not.toContain(hidden)
      }
    }
  })

  test('the status has otp_data only while a code is awaited', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const askForCode = await look(hash)
    expect(askForCode.body).toMatchObject({ status: 'otp_required', requires_otp: true })
    expect(askForCode.body.otp_data).toEqual({
      id: 'otp-1',
      kind: 'code',
      length: 6,
      charset: 'digits',
      sent_to: '0912***4567',
      message: null,
      expires_at: expect.stringMatching(/Z$/),
      resend_available_at: expect.stringMatching(/Z$/),
      resends_left: 5,
      resend_requested: false,
      attempts_left: 3,
      error: null,
    })
    await apply(hash, { type: 'submit_otp', otp: '483920' })
    expect((await look(hash)).body).toMatchObject({
      status: 'processing',
      requires_otp: false,
      otp_data: null,
    })
  })

  test('the status is uncached and has Retry-After until the final state', async () => {
    const retryAfter = async (hash: string): Promise<string | undefined> => {
      const { headers } = await look(hash)
      expect(headers['cache-control']).toBe('no-store')
      return headers['retry-after']
    }
    expect(await retryAfter(await given())).toBe('5')
    expect(await retryAfter(await given([START]))).toBe('2')
    expect(await retryAfter(await given([START, REQUIRE_OTP]))).toBe('5')
    expect(await retryAfter(await given([START, COMPLETE]))).toBeUndefined()
  })

  test('the status has the queue position until a worker starts; 1 is next', async () => {
    const submitted: string[] = []
    for (let n = 0; n < 3; n++)
      submitted.push((await api.post('/api/local-requests').send(CREDIT_SCORE)).body.hash)
    const positions = async () =>
      Promise.all(submitted.map(async (hash) => (await look(hash)).body.queue_position))
    expect(await positions()).toEqual([1, 2, 3])
    // What a worker does when it takes the next job.
    expect((await redis.zpopmin('halfway:inquiries:prioritized'))[0]).toBe(submitted[0])
    await apply(submitted[0] as string, START)
    expect(await positions()).toEqual([null, 1, 2])
  })

  test('the status call keeps its connection alive for longer than a proxy does', async () => {
    const res = await fetch(address + statusUrl(await given([START])))
    expect(res.headers.get('connection')).toBe('keep-alive')
    expect(res.headers.get('keep-alive')).toBe('timeout=75')
  })

  test('the status of a foreign record has the same form', async () => {
    const hash = 'req_made-by-another-program'
    await redis.setex(
      keys.record(hash),
      60,
      JSON.stringify({ hash, service_slug: 'theirs', status: 'processing', progress: 30 }),
    )
    expect((await look(hash).expect(200)).body).toMatchObject({
      hash,
      service_slug: 'theirs',
      progress: 30,
      steps: [],
    })
  })
})

describe('an ETag', () => {
  test('the ETag is strong, follows the version, and gives 304 when it matches', async () => {
    const hash = await given([START])
    const first = await look(hash)
    expect(first.headers.etag).toBe('"2"')
    const same = await look(hash).set('If-None-Match', '"2"').expect(304)
    expect(same.text).toBe('')
    expect(same.headers).toMatchObject({ etag: '"2"', 'cache-control': 'no-store', 'retry-after': '2' })
    await apply(hash, progressTo(10))
    const newer = await look(hash).set('If-None-Match', '"2"').expect(200)
    expect(newer.headers.etag).toBe('"3"')
  })

  test('If-None-Match matches in a list, as a weak tag and as *', async () => {
    const hash = await given([START])
    for (const tags of ['"1", "2"', 'W/"2"', '*', '"7" , W/"2"'])
      await look(hash).set('If-None-Match', tags).expect(304)
    for (const tags of ['"1"', '"20"', '2', '""', 'nonsense', '"1", "3"'])
      await look(hash).set('If-None-Match', tags).expect(200)
  })

  test('the ETag changes with the queue position', async () => {
    await redis.del('halfway:inquiries:prioritized')
    const [first, second] = [
      (await api.post('/api/local-requests').send(CREDIT_SCORE)).body.hash,
      (await api.post('/api/local-requests').send(CREDIT_SCORE)).body.hash,
    ]
    const { etag } = (await look(second)).headers
    await look(second)
      .set('If-None-Match', etag as string)
      .expect(304)
    expect((await redis.zpopmin('halfway:inquiries:prioritized'))[0]).toBe(first)
    const moved = await look(second)
      .set('If-None-Match', etag as string)
      .expect(200)
    expect(moved.body.queue_position).toBe(1)
  })
})

describe('the long poll', () => {
  test('a long poll returns immediately when a newer version exists', async () => {
    const hash = await given([START, progressTo(10)])
    const res = await look(hash, '?after=2&wait=25').expect(200)
    expect(res.body.version).toBe(3)
  })

  test('a long poll returns as soon as a newer version exists', async () => {
    const hash = await given([START])
    const answer = look(hash, '?after=2&wait=25').then((res) => res)
    await longPollStarts()
    const written = performance.now()
    await apply(hash, progressTo(10))
    const res = await answer
    // Long before the end of the wait.
    expect(performance.now() - written).toBeLessThan(15_000)
    expect({ status: res.status, ...res.body }).toMatchObject({
      status: 'processing',
      version: 3,
      progress: 10,
    })
    expect(res.headers.etag).toBe('"3"')
  })

  test('a long poll returns a write of another program', async () => {
    const hash = await given([START])
    const answer = look(hash, '?after=2&wait=25').then((res) => res)
    await longPollStarts()
    await foreignWrite(hash, { progress: 77 })
    expect((await answer).body.progress).toBe(77)
  })

  test('a long poll without a newer version ends with 304 after its wait', async () => {
    const hash = await given([START])
    const startedAt = performance.now()
    const res = await look(hash, '?after=2&wait=1').expect(304)
    expect(performance.now() - startedAt).toBeGreaterThan(950)
    expect(res.headers.etag).toBe('"2"')
  })

  test('a long poll takes the version from If-None-Match', async () => {
    const hash = await given([START])
    const answer = look(hash, '?wait=25')
      .set('If-None-Match', '"2"')
      .then((res) => res)
    await longPollStarts()
    await apply(hash, progressTo(10))
    expect((await answer).body.version).toBe(3)
  })

  test('after without wait returns immediately: a newer version or 304', async () => {
    const hash = await given([START])
    await look(hash, '?after=1').expect(200)
    await look(hash, '?after=2').expect(304)
    await look(hash, '?after=2&wait=0').expect(304)
    await look(hash, '?wait=25').expect(200)
  })

  test('a long poll ends with 410 when the request expires', async () => {
    const hash = await given([], { now: Date.now() - TTL_SECONDS * 1000 + 300 })
    const res = await look(hash, '?after=1&wait=25').expect(410)
    expect(res.body.code).toBe('request_expired')
  })

  test('finished and aborted long polls leave no subscription', async () => {
    const hash = await given([START])
    const abort = new AbortController()
    const gone = fetch(address + statusUrl(hash, '?after=2&wait=25'), { signal: abort.signal }).catch(
      () => 'gone',
    )
    await longPollStarts()
    abort.abort()
    expect(await gone).toBe('gone')
    await eventually(async () => expect(await subscriptions(hash)).toBe(0))
    expect(watcher.size).toBe(0)
  })

  test.each([
    'after=-1',
    'after=',
    'after=latest',
    'after=1.5',
    'after=1&after=2',
    'after=1&wait=26',
    'after=1&wait=-1',
    'after=1&wait=1e1',
    'wait=x',
    'after[]=1&after[]=2&wait=99',
  ])('a status call with the invalid parameter %s is refused with 400', async (query) => {
    const res = await look(await given([START]), `?${query}`).expect(400)
    expect(res.body).toMatchObject({ status: 400, code: 'invalid_parameter' })
  })
})

describe('the status of a missing request', () => {
  test('the status of an unknown request is 404', async () => {
    for (const hash of [aHash(), 'req_of-another-program-1']) {
      const res = await look(hash)
        .expect(404)
        .expect('Content-Type', /^application\/problem\+json/)
      expect(res.body).toMatchObject({ status: 404, code: 'request_not_found', retryable: false })
    }
  })

  test('the status of an expired request is 410, although nothing is stored', async () => {
    const res = await look(aHash(Date.now() - TTL_SECONDS * 1000)).expect(410)
    expect(res.body).toMatchObject({ status: 410, code: 'request_expired' })
    await look(aHash(Date.now() - TTL_SECONDS * 1000 + 10_000)).expect(404)
  })

  test('the status is 410 once REQUEST_TTL has passed', async () => {
    const short = await useServer(testRedis, { settings: { REQUEST_TTL: '3' } })
    const { hash } = (await short.api.post('/api/local-requests').send(CREDIT_SCORE)).body
    await short.api.get(statusUrl(hash)).expect(200)
    await short.api.get(statusUrl(hash, '?after=1&wait=25')).expect(410)
    await short.api.get(statusUrl(hash)).expect(410)
    await short.stop()
  })

  test('the status of an invalid hash is 404 and reads no other key', async () => {
    await redis.set('halfway:otp:{local_request:req_x}', '424242')
    for (const hash of [
      'req_',
      'req_short',
      `req_${'x'.repeat(65)}`,
      'otp:%7Blocal_request:req_x%7D',
      'req_%00aaaaaaaaaaaaaaaaa',
      '*',
    ]) {
      const res = await look(hash).expect(404)
      expect(res.body.code).toBe('request_not_found')
    }
  })
})

describe('the status call', () => {
  test('a HEAD of the status is answered like GET without the body', async () => {
    const hash = await given([START])
    const res = await api.head(statusUrl(hash)).expect(200)
    expect(res.headers).toMatchObject({ etag: '"2"', 'content-type': 'application/json; charset=utf-8' })
    await api.head(statusUrl(aHash())).expect(404)
  })

  test('the status call refuses methods other than GET and HEAD', async () => {
    const hash = await given([START])
    for (const method of ['post', 'put', 'patch', 'delete', 'options'] as const) {
      const res = await api[method](statusUrl(hash)).expect(405)
      expect(res.headers.allow).toBe('GET, HEAD')
      expect(res.body).toMatchObject({ status: 405, code: 'method_not_allowed' })
    }
  })
})

// Last in this file, because its Redis restarts empty.
test.runIf(onRealRedis)('while Redis is down the status and a long poll are 503', async () => {
  const hash = await given([START])
  await testRedis.stop()
  for (const query of ['', '?after=2&wait=25']) {
    const res = await look(hash, query).expect(503)
    expect(res.body).toMatchObject({ code: 'storage_unavailable', retryable: true })
    expect(res.headers['retry-after']).toBe('5')
  }
})
