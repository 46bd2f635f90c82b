import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { RequestRecord } from '../../core/domain/record.ts'
import { isRequestHash } from '../../core/domain/request-id.ts'
import { decodeRecord } from '../../core/records/codec.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const SUBMIT = '/api/local-requests'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, api, apply, sessionCookie, sessionIdOf } = await useServer(testRedis)

const submit = (body: object = CREDIT_SCORE) => api.post(SUBMIT).send(body)
const readRecord = async (hash: string): Promise<RequestRecord> =>
  decodeRecord((await redis.get(keys.record(hash))) ?? '') as RequestRecord
const aKey = (): string => `key-${Math.random()}`

describe('a submitted request', () => {
  test('a submit returns 202 with its URLs, Retry-After and the public view', async () => {
    const res = await submit().expect(202)
    const { hash } = res.body
    expect(isRequestHash(hash)).toBe(true)
    expect(res.headers).toMatchObject({
      location: `/api/local-requests/${hash}/status`,
      'retry-after': '5',
      'cache-control': 'no-store',
      'content-type': 'application/json; charset=utf-8',
    })
    const { status_url, progress_url, events_url, result_url, cancel_url, ...view } = res.body
    expect({ status_url, progress_url, events_url, result_url, cancel_url }).toEqual({
      status_url: `/api/local-requests/${hash}/status`,
      progress_url: `/services/credit-score-rating/progress/${hash}`,
      events_url: `/api/local-requests/${hash}/events`,
      result_url: `/api/local-requests/${hash}/result`,
      cancel_url: `/api/local-requests/${hash}/cancel`,
    })
    const shown = await api.get(status_url).expect(200)
    expect(view).toEqual(shown.body)
    expect(view).toMatchObject({ status: 'pending', progress: 0, version: 1, attempt: 0, max_attempts: 3 })
  })

  test('a submitted request is stored as documented and expires at expires_at', async () => {
    const before = Date.now()
    const { hash } = (await submit()).body
    const record = await readRecord(hash)
    const steps = [
      'authentication',
      'captcha_solving',
      'sending_otp',
      'waiting_otp',
      'verifying_otp',
      'processing_result',
    ]
    expect(record).toEqual({
      hash,
      service_slug: 'credit-score-rating',
      user_id: null,
      session_id: null,
      owner_hash: null,
      queue: 'inquiries',
      submitter: expect.stringMatching(/^[\w-]{12}$/),
      subject: expect.stringMatching(/^[\w-]{22}$/),
      status: 'pending',
      step: null,
      progress: 0,
      current_message: expect.stringMatching(/\w/),
      message_key: 'received',
      message_fingerprint: expect.stringMatching(/^[a-z\d]+\.[a-z\d]+$/),
      estimated_duration: 60,
      request_data: { mobile: '09123456789', national_code: '0012345679' },
      otp_data: null,
      result_data: null,
      error_data: null,
      cancelled_by: null,
      steps: steps.map((id) => ({ id, state: 'waiting', started_at: null, finished_at: null })),
      attempt: 0,
      max_attempts: 3,
      next_retry_at: null,
      estimated_end_at: null,
      deadline_at: null,
      max_progress: 0,
      version: 1,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      started_at: null,
      updated_at: record.created_at,
      completed_at: null,
      expires_at: new Date(Date.parse(record.created_at) + 1_800_000).toISOString(),
    })
    expect(Date.parse(record.created_at)).toBeGreaterThanOrEqual(before)
    expect(await redis.pexpiretime(keys.record(hash))).toBe(Date.parse(record.expires_at))
    expect(await redis.lrange(keys.list, 0, 0)).toEqual([hash])
    expect(await redis.ttl(keys.list)).toBeGreaterThan(1790)
  })

  test('a submitted request has one job, whose id is the hash and which has no data', async () => {
    const { hash } = (await submit()).body
    const job = await redis.hgetall(`halfway:inquiries:${hash}`)
    expect(JSON.parse(job.data ?? '')).toEqual({})
    // Only the record counts attempts.
    expect(JSON.parse(job.opts ?? '')).not.toHaveProperty('backoff')
    expect(JSON.stringify(job)).not.toContain('09123456789')
  })

  test('a submitted request belongs to the session of the browser', async () => {
    const session = 'session-with-21-chars'
    const res = await submit().set('Cookie', `other=1; ${sessionCookie(session)}`)
    expect((await readRecord(res.body.hash)).session_id).toBe(sessionIdOf(session))
    expect(JSON.stringify(res.body)).not.toContain(session)
  })

  test('a submit accepts Persian and Arabic digits', async () => {
    for (const request_data of [
      { mobile: '۰۹۱۲۳۴۵۶۷۸۹', national_code: '۰۰۱۲۳۴۵۶۷۹' },
      { mobile: '٠٩١٢٣٤٥٦٧٨٩', national_code: '٠٠١٢٣٤٥٦٧٩' },
      { mobile: '+98 912 345-6789', national_code: ' 001-234567-9 ' },
    ]) {
      const { hash } = (await submit({ ...CREDIT_SCORE, request_data }).expect(202)).body
      expect((await readRecord(hash)).request_data).toEqual(CREDIT_SCORE.request_data)
    }
  })

  test('repeated submits without a key create a request each, queued in order', async () => {
    const first = (await submit()).body
    const second = (await submit()).body
    expect(second.hash).not.toBe(first.hash)
    expect(second.queue_position).toBe(first.queue_position + 1)
  })
})

describe('a refused submit', () => {
  const refused = async (body: object, status: number) => {
    const before = await redis.llen(keys.list)
    const res = await submit(body)
      .expect(status)
      .expect('Content-Type', /^application\/problem\+json/)
    expect(await redis.llen(keys.list)).toBe(before)
    return res.body
  }
  const fieldsOf = (problem: { errors: { field: string; code: string; message: string }[] }) => {
    for (const { message } of problem.errors) expect(message).toMatch(/\w{3}/)
    return problem.errors.map(({ field, code }) => [field, code])
  }

  test('a submit with invalid fields is refused with all of them named', async () => {
    const problem = await refused(
      { ...CREDIT_SCORE, request_data: { mobile: '0812', national_code: '0012345678', age: 3, __proto: 1 } },
      422,
    )
    expect(problem).toMatchObject({ status: 422, code: 'validation_failed', retryable: false })
    expect(fieldsOf(problem)).toEqual([
      ['mobile', 'mobile_invalid'],
      ['national_code', 'national_code_check_digit'],
      ['age', 'unknown_field'],
      ['__proto', 'unknown_field'],
    ])
  })

  test('a submit with missing fields is refused with all of them named', async () => {
    for (const request_data of [{}, undefined, { mobile: '', national_code: '   ' }, { mobile: null }]) {
      const problem = await refused({ service_slug: 'credit-score-rating', request_data }, 422)
      expect(fieldsOf(problem)).toEqual([
        ['mobile', 'required'],
        ['national_code', 'required'],
      ])
    }
  })

  test('a submit with a value that is no text is refused', async () => {
    const request_data = { mobile: { $gt: '' }, national_code: ['0012345679'] }
    expect(fieldsOf(await refused({ ...CREDIT_SCORE, request_data }, 422))).toEqual([
      ['mobile', 'not_text'],
      ['national_code', 'not_text'],
    ])
  })

  test('a submit with unknown fields is refused with them named', async () => {
    const problem = await refused({ ...CREDIT_SCORE, user_id: 7, hash: 'req_of-my-own-choosing' }, 422)
    expect(fieldsOf(problem)).toEqual([
      ['user_id', 'unknown_field'],
      ['hash', 'unknown_field'],
    ])
  })

  test('a submit with a service_slug or request_data of the wrong type is refused', async () => {
    expect(fieldsOf(await refused({ service_slug: 7, request_data: 'mobile=0912' }, 422))).toEqual([
      ['service_slug', 'not_text'],
      ['request_data', 'not_object'],
    ])
    expect(fieldsOf(await refused({ service_slug: 'link-check', request_data: [] }, 422))).toEqual([
      ['request_data', 'not_object'],
    ])
  })

  test('a submit for an unknown service is refused with 404', async () => {
    for (const service_slug of [
      'no-such-service',
      '',
      '__proto__',
      'constructor',
      '../health',
      'x'.repeat(5000),
    ]) {
      const problem = await refused({ ...CREDIT_SCORE, service_slug }, 404)
      expect(problem.code).toBe('unknown_service')
      expect(problem.detail.length).toBeLessThan(200)
    }
  })

  test('a submit without a body is refused with the missing fields named', async () => {
    const res = await api.post(SUBMIT).expect(422)
    expect(fieldsOf(res.body)).toEqual([['service_slug', 'required']])
  })

  const malformed: [string, string, number, string][] = [
    ['its body is not JSON', '{"service_slug": ', 400, 'invalid_json'],
    ['its body is a list', '[]', 400, 'invalid_json'],
    ['its body is a number', '7', 400, 'invalid_json'],
    ['its body is null', 'null', 400, 'invalid_json'],
    ['its body is a string', '"text"', 400, 'invalid_json'],
    ['its body has 65 kB', JSON.stringify({ service_slug: 'x'.repeat(65 * 1024) }), 413, 'body_too_large'],
  ]
  test.each(malformed)('a submit is refused when %s', async (_what, body, status, code) => {
    const res = await api.post(SUBMIT).set('Content-Type', 'application/json').send(body).expect(status)
    expect(res.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(res.body).toMatchObject({ status, code, retryable: false })
  })

  test.each([
    [
      'its body is not UTF-8',
      {},
      Buffer.from('{"service_slug":"caf\xe9"}', 'latin1'),
      'invalid_json',
      'The body is not JSON in UTF-8.',
    ],
    [
      'its body cannot be decompressed',
      { 'Content-Encoding': 'gzip' },
      'abc',
      'bad_request',
      'The body cannot be decompressed.',
    ],
  ] as const)('a submit is refused when %s', async (_what, more, body, code, detail) => {
    const headers = { 'Content-Type': 'application/json', ...more }
    const res = await fetch(address + SUBMIT, { method: 'POST', headers, body })
    expect({ status: res.status, ...(await res.json()) }).toMatchObject({ status: 400, code, detail })
  })

  test('a compressed submit over the limit once decompressed is refused', async () => {
    const bomb = gzipSync(JSON.stringify({ service_slug: 'x'.repeat(10_000_000) }))
    const res = await fetch(address + SUBMIT, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
      body: bomb,
    })
    expect({ status: res.status, ...(await res.json()) }).toMatchObject({
      status: 413,
      code: 'body_too_large',
    })
  })

  test('a submit with another content type, charset or encoding is refused with 415', async () => {
    for (const headers of [
      { 'Content-Type': 'text/plain' },
      { 'Content-Type': 'application/x-www-form-urlencoded' },
      { 'Content-Type': 'application/json; charset=iso-8859-1' },
      { 'Content-Type': 'application/json', 'Content-Encoding': 'zip' },
    ]) {
      const res = await api.post(SUBMIT).set(headers).send(JSON.stringify(CREDIT_SCORE)).expect(415)
      expect(res.body.code).toBe('unsupported_media_type')
    }
  })
})

describe('an Idempotency-Key', () => {
  const submitWith = (key: string, body: object = CREDIT_SCORE) => submit(body).set('Idempotency-Key', key)

  test('an Idempotency-Key with the same body replays the first response, even after later states', async () => {
    const key = aKey()
    const first = await submitWith(key).expect(202)
    await apply(first.body.hash, { type: 'start', attempt: 1 })
    await apply(first.body.hash, { type: 'progress', attempt: 1, progress: 40 })
    const again = await submitWith(key).expect(202)
    expect(again.body).toEqual(first.body)
    expect(again.headers).toMatchObject({
      location: first.headers.location,
      'retry-after': first.headers['retry-after'],
      'idempotency-replayed': 'true',
    })
    expect(first.headers['idempotency-replayed']).toBeUndefined()
  })

  test('an Idempotency-Key treats equivalent bodies as the same', async () => {
    const key = aKey()
    const first = await submitWith(key)
    const { mobile, national_code } = CREDIT_SCORE.request_data
    const again = await submitWith(key, {
      request_data: { national_code, mobile: mobile.replace(/\d/g, (d) => '۰۱۲۳۴۵۶۷۸۹'[Number(d)] ?? d) },
      service_slug: 'credit-score-rating',
    }).expect(202)
    expect(again.body.hash).toBe(first.body.hash)
  })

  test('an Idempotency-Key with another body is refused', async () => {
    const key = aKey()
    await submitWith(key).expect(202)
    const request_data = { ...CREDIT_SCORE.request_data, mobile: '09123456780' }
    const res = await submitWith(key, { ...CREDIT_SCORE, request_data }).expect(422)
    expect(res.body.code).toBe('idempotency_key_reused')
  })

  test('a refused submit does not use up its Idempotency-Key', async () => {
    const key = aKey()
    await submitWith(key, { ...CREDIT_SCORE, request_data: {} }).expect(422)
    await submitWith(key).expect(202)
  })

  test('an Idempotency-Key is scoped to its caller: session or address', async () => {
    const key = aKey()
    const answers = [
      await submitWith(key),
      await submitWith(key).set('X-Forwarded-For', '192.0.2.1'),
      await submitWith(key).set('X-Forwarded-For', '192.0.2.2'),
      await submitWith(key).set('Cookie', sessionCookie('a'.repeat(21))),
      await submitWith(key).set('Cookie', sessionCookie('b'.repeat(21))),
    ]
    expect(new Set(answers.map((answer) => answer.body.hash)).size).toBe(5)
    const again = await submitWith(key).set('X-Forwarded-For', '192.0.2.2')
    expect(again.body).toEqual(answers[2]?.body)
  })

  test('20 concurrent submits with one Idempotency-Key create one request and get one response', async () => {
    const key = aKey()
    const waitingBefore = await redis.zcard('halfway:inquiries:prioritized')
    const recordsBefore = (await redis.keys(keys.record('req_*'))).length
    const answers = await Promise.all(Array.from({ length: 20 }, () => submitWith(key)))
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(202))
    for (const answer of answers) expect(answer.body).toEqual(answers[0]?.body)
    expect((await redis.keys(keys.record('req_*'))).length).toBe(recordsBefore + 1)
    expect(await redis.zcard('halfway:inquiries:prioritized')).toBe(waitingBefore + 1)
  })

  test('Redis contains neither the Idempotency-Key nor its caller', async () => {
    const key = aKey()
    await submitWith(key).set('X-Forwarded-For', '192.0.2.77')
    const names = (await redis.keys('*')).join()
    expect(names).toContain('halfway:idempotency:')
    expect(names).not.toContain(key)
    expect(names).not.toContain('192.0.2.77')
  })

  test('an Idempotency-Key that is too long or not printable is refused', async () => {
    for (const key of ['', 'x'.repeat(256), 'caf\u00e9']) {
      const res = await submitWith(key).expect(400)
      expect(res.body.code).toBe('invalid_parameter')
    }
    await submitWith('x'.repeat(255)).expect(202)
  })
})

describe('the rate limit of submits', () => {
  test('submits over the limit of an address are 429 with the time to wait', async () => {
    const limited = await useServer(testRedis, { settings: { SUBMITS_PER_MINUTE: '3' } })
    const from = (address: string) =>
      limited.api.post(SUBMIT).set('X-Forwarded-For', address).send(CREDIT_SCORE)
    for (let n = 0; n < 3; n++) await from('192.0.2.9').expect(202)
    const res = await from('192.0.2.9').expect(429)
    expect(res.body).toMatchObject({ status: 429, code: 'rate_limited', retryable: true })
    const seconds = Number(res.headers['retry-after'])
    expect(seconds).toBeGreaterThan(50)
    expect(seconds).toBeLessThanOrEqual(60)
    expect(res.body.detail).toContain(`${seconds} s`)
    await from('192.0.2.10').expect(202)
    // GETs do not count.
    await limited.api.get('/api/services').set('X-Forwarded-For', '192.0.2.9').expect(200)
    await limited.stop()
  })

  const limitedToOne = async (address: string) => {
    const limited = await useServer(testRedis, { settings: { SUBMITS_PER_MINUTE: '1' } })
    const submit = () => limited.api.post(SUBMIT).set('X-Forwarded-For', address).send(CREDIT_SCORE)
    await submit().expect(202)
    return { submit, stop: limited.stop }
  }

  test('a refused submit leaves no reservation behind', async () => {
    const { submit, stop } = await limitedToOne('192.0.2.14')
    const reserved = () => redis.zcard('halfway:unfinished:queue:inquiries')
    const before = await reserved()
    await submit().expect(429)
    expect(await reserved()).toBe(before)
    await stop()
  })

  test.runIf(onRealRedis)('further submits of a caller who was refused are only counted', async () => {
    const { submit, stop } = await limitedToOne('192.0.2.16')
    await submit().expect(429)
    await redis.config('RESETSTAT')
    await submit().expect(429)
    const commands = await redis.info('commandstats')
    expect(commands).toMatch(/cmdstat_incr:/)
    expect(commands).not.toMatch(/cmdstat_zadd/)
    await stop()
  })

  test('counts a submit with errors as well, and comes before them', async () => {
    const limited = await useServer(testRedis, { settings: { SUBMITS_PER_MINUTE: '2' } })
    const submit = (body: string | object) =>
      limited.api.post(SUBMIT).type('json').set('X-Forwarded-For', '192.0.2.15').send(body)
    const invalid = await submit({ service_slug: 'unknown' }).expect(404)
    expect(invalid.headers.ratelimit).toContain('r=1')
    expect((await submit('{').expect(400)).headers.ratelimit).toContain('r=0')
    for (const body of ['{', { service_slug: 'unknown' }, { requests: [CREDIT_SCORE] }])
      expect((await submit(body).expect(429)).body.code).toBe('rate_limited')
    await limited.stop()
  })

  test('the rate limit of submits is shared by all server processes', async () => {
    const settings = { SUBMITS_PER_MINUTE: '2' }
    const [one, two] = [await useServer(testRedis, { settings }), await useServer(testRedis, { settings })]
    const to = (server: typeof one) =>
      server.api.post(SUBMIT).set('X-Forwarded-For', '192.0.2.11').send(CREDIT_SCORE)
    await to(one).expect(202)
    await to(two).expect(202)
    await to(one).expect(429)
    await Promise.all([one.stop(), two.stop()])
  })
})

// Last in this file, because its Redis restarts empty.
describe.runIf(onRealRedis)('while Redis is down', () => {
  test('a submit while Redis is down is 503, and works once Redis is back', async () => {
    await submit().expect(202)
    await testRedis.stop()
    for (let n = 0; n < 3; n++) {
      const res = await submit()
      expect(res.status).toBe(503)
      expect(res.headers).toMatchObject({
        'content-type': 'application/problem+json; charset=utf-8',
        'retry-after': '5',
      })
      expect(res.body).toMatchObject({ code: 'storage_unavailable', retryable: true })
    }
    await testRedis.restart()
    await eventually(async () => expect((await submit()).status).toBe(202))
  })

  test('a queue that was first used while Redis was down works once Redis is back', async () => {
    const other = await useServer(testRedis)
    await testRedis.stop()
    await other.api.get('/services/credit-score-rating').set('Accept', 'text/html')
    await testRedis.restart()
    const again = () => other.api.post(SUBMIT).set('X-Forwarded-For', '192.0.2.13').send(CREDIT_SCORE)
    await eventually(async () => expect((await again()).status).toBe(202))
    await other.stop()
  })

  test('the rate limits count again once Redis is back without their scripts', async () => {
    const limited = await useServer(testRedis, { settings: { SUBMITS_PER_MINUTE: '2' } })
    await testRedis.stop()
    await limited.api.post(SUBMIT).send(CREDIT_SCORE).expect(503)
    await testRedis.restart()
    const again = () => limited.api.post(SUBMIT).set('X-Forwarded-For', '192.0.2.12').send(CREDIT_SCORE)
    await eventually(async () => expect((await again()).status).toBe(202))
    await again().expect(202)
    await again().expect(429)
    await limited.stop()
  })

  test('a submit to a hanging Redis fails after one command timeout', async () => {
    const server = await useServer(testRedis, { settings: { REDIS_COMMAND_TIMEOUT_MS: '700' } })
    const submit = () => server.api.post(SUBMIT).send(CREDIT_SCORE)
    const pid = Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1])
    await redis.config('RESETSTAT')
    process.kill(pid, 'SIGSTOP')
    try {
      expect((await submit()).status).toBe(503)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    // The limits were sent, and nothing after them. Redis may read this connection before that of the server.
    const sent = () => redis.info('commandstats')
    await eventually(async () => expect(await sent()).toMatch(/cmdstat_evalsha/))
    expect(await sent()).not.toMatch(/cmdstat_lpush/)
    await eventually(async () => expect((await submit()).status).toBe(202))
    await server.stop()
  })
})
