/** Batches: many requests in one call. */
import { describe, expect, test } from 'vitest'
import { keys } from '../helpers/keys.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const SUBMIT = '/api/local-requests'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api } = await useServer(testRedis, { settings: { BATCHES_PER_MINUTE: '100000' } })

type Api = typeof api
const send = (body: object | string, to: Api = api) =>
  to.post(SUBMIT).set('Content-Type', 'application/json').send(body)
const sendAll = (requests: unknown, to: Api = api) => send({ requests }, to)
const count = (n: number): object[] => Array.from({ length: n }, () => CREDIT_SCORE)
const requestsBefore = () => redis.llen(keys.list)
/** From its own address, so that other tests do not count towards its limit. */
const from = (address: string) => ({ 'X-Forwarded-For': address })

interface Entry {
  index: number
  hash: string
  status_url: string
  owner_token?: string
  problem?: { code: string; status: number; detail?: string; errors?: { field: string; code: string }[] }
}
const entriesOf = (body: { requests: Entry[] }): Entry[] => body.requests
const problemIn = ({ problem }: Entry) => [
  problem?.status,
  problem?.code,
  problem?.errors?.map(({ field, code }) => `${field} ${code}`).join() ?? null,
]

describe('a batch', () => {
  test('a batch is accepted and answers each request, in order, as if it were submitted alone', async () => {
    const alone = (await send(CREDIT_SCORE)).body
    const res = await sendAll([CREDIT_SCORE, { ...CREDIT_SCORE, delay: 60 }, CREDIT_SCORE]).expect(202)
    expect(res.headers).toMatchObject({ 'cache-control': 'no-store' })
    expect(res.body).toMatchObject({ accepted: 3, refused: 0 })
    const entries = entriesOf(res.body)
    expect(entries.map(({ index }) => index)).toEqual([0, 1, 2])
    for (const entry of entries) {
      const { index: _index, ...rest } = entry
      expect(Object.keys(rest).sort()).toEqual(Object.keys(alone).sort())
      expect((await api.get(entry.status_url).expect(200)).body.hash).toBe(entry.hash)
    }
    expect(entries[1]).toMatchObject({ queue_position: null, run_at: expect.any(String) })
    expect(new Set(entries.map(({ hash }) => hash)).size).toBe(3)
    expect(await redis.zscore('halfway:inquiries:prioritized', entries[2]?.hash ?? '')).not.toBeNull()
  })

  test('a batch accepts its valid requests and reports a problem for each invalid one', async () => {
    const before = await requestsBefore()
    const big = { ...CREDIT_SCORE, request_data: { mobile: 'x'.repeat(65 * 1024) } }
    const { body } = await sendAll([
      CREDIT_SCORE,
      { ...CREDIT_SCORE, service_slug: 'no-such-service' },
      { ...CREDIT_SCORE, request_data: { mobile: '09123456789' } },
      { ...CREDIT_SCORE, user_id: 7 },
      'a text',
      null,
      [],
      big,
      { ...CREDIT_SCORE, delay: -1, priority: 11 },
      { ...CREDIT_SCORE, requests: [CREDIT_SCORE] },
      CREDIT_SCORE,
    ]).expect(202)
    expect(body).toMatchObject({ accepted: 2, refused: 9 })
    const entries = entriesOf(body)
    expect(entries.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(entries.slice(1, -1).map(problemIn)).toEqual([
      [404, 'unknown_service', null],
      [422, 'validation_failed', 'national_code required'],
      [422, 'validation_failed', 'user_id unknown_field'],
      [400, 'invalid_json', null],
      [400, 'invalid_json', null],
      [400, 'invalid_json', null],
      [413, 'body_too_large', null],
      [422, 'validation_failed', 'delay out_of_range,priority out_of_range'],
      [422, 'validation_failed', 'requests unknown_field'],
    ])
    for (const entry of [entries[0], entries[10]]) expect(entry?.hash).toMatch(/^req_/)
    expect(await requestsBefore()).toBe(before + 2)
  })

  test('a batch that is empty, has more than 1,000 requests or is no list is refused as a whole', async () => {
    const before = await requestsBefore()
    for (const requests of [[], count(1001), { 0: CREDIT_SCORE }, 'all', null]) {
      const { body } = await sendAll(requests).expect(422)
      expect(body.errors).toEqual([
        { field: 'requests', code: 'not_a_batch', message: expect.stringMatching(/1,?000/) },
      ])
    }
    expect(await requestsBefore()).toBe(before)
  })

  test('a batch with other fields beside the list is refused with these fields named', async () => {
    const { body } = await send({ requests: count(1), ...CREDIT_SCORE, delay: 5 }).expect(422)
    expect(body.errors.map(({ field }: { field: string }) => field)).toEqual([
      'service_slug',
      'request_data',
      'delay',
    ])
  })

  test('a batch may have up to 4 MB, but each request in it at most 64 kB', async () => {
    const padded = (bytes: number) => ({ ...CREDIT_SCORE, request_data: { mobile: 'x'.repeat(bytes) } })
    const { body } = await sendAll(Array.from({ length: 60 }, () => padded(60 * 1024))).expect(202)
    expect(body).toMatchObject({ accepted: 0, refused: 60 })
    const tooBig = await sendAll(Array.from({ length: 70 }, () => padded(60 * 1024))).expect(413)
    expect(tooBig.body).toMatchObject({ code: 'body_too_large', detail: expect.stringMatching(/4 MB/) })
    const single = await send(padded(65 * 1024)).expect(413)
    expect(single.body).toMatchObject({ code: 'body_too_large', detail: expect.stringMatching(/64 kB/) })
  })

  test('a batch repeated with its Idempotency-Key replays the first response of each request', async () => {
    const again = (requests: unknown[]) => sendAll(requests).set('Idempotency-Key', 'of-a-batch').expect(202)
    const bad = { ...CREDIT_SCORE, service_slug: 'no-such-service' }
    const first = (await again([CREDIT_SCORE, bad, CREDIT_SCORE])).body
    const before = await requestsBefore()
    const replayed = first.requests.map((entry: object) =>
      'problem' in entry ? entry : { ...entry, replayed: true },
    )
    expect((await again([CREDIT_SCORE, bad, CREDIT_SCORE])).body).toEqual({ ...first, requests: replayed })
    expect(await requestsBefore()).toBe(before)
    // A corrected entry is accepted, a new one created, a changed one under the same key refused.
    const later = (await again([{ ...CREDIT_SCORE, delay: 9 }, CREDIT_SCORE, CREDIT_SCORE, CREDIT_SCORE]))
      .body
    const [changed, corrected, same, added] = entriesOf(later)
    expect(changed?.problem?.code).toBe('idempotency_key_reused')
    expect(same?.hash).toBe(entriesOf(first)[2]?.hash)
    expect(new Set([corrected?.hash, same?.hash, added?.hash]).size).toBe(3)
    // The key of a single submit is separate.
    const alone = await send(CREDIT_SCORE).set('Idempotency-Key', 'of-a-batch').expect(202)
    expect(entriesOf(first).map(({ hash }) => hash)).not.toContain(alone.body.hash)
  })

  test('a batch of many requests is accepted in one call with few round trips to Redis', async () => {
    // The JavaScript one copies a whole sorted set for each command.
    const size = onRealRedis ? 1000 : 200
    const stat = async (name: string): Promise<number> =>
      Number(new RegExp(`${name}:(\\d+)`).exec(await redis.info('stats'))?.[1])
    const names = ['total_commands_processed', 'total_reads_processed']
    const before = onRealRedis ? await Promise.all(names.map(stat)) : []
    const { body } = await sendAll(count(size)).expect(202)
    expect(body).toMatchObject({ accepted: size, refused: 0 })
    expect(new Set(entriesOf(body).map(({ hash }) => hash)).size).toBe(size)
    if (!onRealRedis) return
    const after = await Promise.all(names.map(stat))
    const [commands = 0, reads = 0] = after.map((n, i) => n - (before[i] ?? 0))
    expect(commands).toBeGreaterThan(5000)
    expect(reads).toBeLessThan(commands / 20)
  })

  test('a batch does not delay other submitters: fair scheduling applies to its requests', async () => {
    await sendAll(count(50)).set(from('192.0.2.1'))
    const { body } = await send(CREDIT_SCORE).set(from('192.0.2.2'))
    const next = (await send(CREDIT_SCORE).set(from('192.0.2.1'))).body
    expect(body.queue_position).toBeLessThan(10)
    expect(next.queue_position).toBeGreaterThan(50)
  })
})

describe('owner tokens of a batch', () => {
  test('each request of a batch has its own owner token, which a repeated batch returns again', async () => {
    const { api: owned } = await useServer(testRedis, { settings: { OWNER_CHECK: 'actions' } })
    const again = async () =>
      entriesOf((await sendAll(count(3), owned).set('Idempotency-Key', 'owned').expect(202)).body)
    const entries = await again()
    const tokens = entries.map(({ owner_token }) => owner_token)
    expect(new Set(tokens).size).toBe(3)
    for (const token of tokens) expect(token).toMatch(/^[\w-]{32}$/)
    expect((await again()).map(({ owner_token }) => owner_token)).toEqual(tokens)

    const cancel = (entry: Entry | undefined, token: string | undefined) =>
      owned.post(`${SUBMIT}/${entry?.hash}/cancel`).set('Authorization', `Bearer ${token}`)
    await cancel(entries[0], tokens[1]).expect(403)
    await cancel(entries[0], tokens[0]).expect(200)
  })

  test('the requests of a batch have no owner token with OWNER_CHECK=off', async () => {
    const { body } = await sendAll(count(1)).expect(202)
    expect(entriesOf(body)[0]).not.toHaveProperty('owner_token')
  })
})

describe('the rate limit of batches', () => {
  test('batches are rate-limited per address and minute, apart from single submits; a batch refused as a whole does not count', async () => {
    const { api: limited } = await useServer(testRedis, { settings: { BATCHES_PER_MINUTE: '2' } })
    const batch = (address: string) => sendAll(count(1), limited).set(from(address))
    await sendAll([], limited).set(from('192.0.2.50')).expect(422)
    await batch('192.0.2.50').expect(202)
    await batch('192.0.2.50').expect(202)
    const before = await requestsBefore()
    const { body, headers } = await batch('192.0.2.50').expect(429)
    expect(body).toMatchObject({ code: 'rate_limited', detail: expect.stringMatching(/At most 2 a minute/) })
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    expect(await requestsBefore()).toBe(before)
    await send(CREDIT_SCORE, limited).set(from('192.0.2.50')).expect(202)
    await batch('192.0.2.51').expect(202)
  })

  test('a batch counts as one submit, however many requests it holds', async () => {
    const { api: limited } = await useServer(testRedis, { settings: { SUBMITS_PER_MINUTE: '2' } })
    await sendAll(count(20), limited).set(from('192.0.2.60')).expect(202)
    await send(CREDIT_SCORE, limited).set(from('192.0.2.60')).expect(202)
    await sendAll(count(1), limited).set(from('192.0.2.60')).expect(429)
  })
})
