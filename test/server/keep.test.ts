/** Keeping a request that has ended for longer, once. */
import { load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import { createRequestFiles } from '../../core/store/request-files.ts'
import { keys } from '../helpers/keys.ts'
import { REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { at, openBrowser, textOf } from './page-browser.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api, address, store, given, apply, watcher } = await useServer(testRedis, {
  settings: { KEEP_LONGER: 'on' },
})
const usual = await useServer(testRedis)
const browser = openBrowser(address)

const DAY_MS = 86_400_000
const COMPLETE = { type: 'complete', attempt: 1, result: 1 } as const
const keep = (hash: string, server = api) => server.post(`/api/local-requests/${hash}/keep`)
const restOf = async (key: string): Promise<number> => redis.pttl(key)

describe('a request that has ended', () => {
  test('a request that has ended is kept for 24 hours from the call, whatever its end was', async () => {
    for (const end of [
      COMPLETE,
      { type: 'fail', attempt: 1, error: { code: 'x', message: 'x', retryable: true } },
      { type: 'cancel', by: 'user' },
    ] as const) {
      const hash = await given([START, end])
      const { record } = await store.get(hash)
      const { body } = await keep(hash).expect(200)
      expect(body).toMatchObject({ hash, status: record.status, version: record.version + 1, is_kept: true })
      expect(body.completed_at).toBe(record.completed_at)
      expect(Date.parse(body.expires_at) - Date.parse(body.updated_at)).toBe(DAY_MS)
      expect(await redis.pexpiretime(keys.record(hash))).toBe(Date.parse(body.expires_at))
    }
  })

  test('a second time is refused, and so is a request that has not ended', async () => {
    const hash = await given([START, COMPLETE])
    await keep(hash).expect(200)
    const before = await redis.get(keys.record(hash))
    expect((await keep(hash).expect(409)).body.code).toBe('already_kept')
    expect(await redis.get(keys.record(hash))).toBe(before)
    for (const commands of [[], [START], [START, REQUIRE_OTP]])
      expect((await keep(await given(commands)).expect(409)).body.code).toBe('not_final')
  })

  test('nothing is kept longer where the operator has not allowed it', async () => {
    const hash = await given([START, COMPLETE])
    expect((await keep(hash, usual.api).expect(409)).body.code).toBe('keep_not_offered')
    expect((await store.get(hash)).record.kept).toBeUndefined()
  })

  test('its files and the response of its submit live as long as the record', async () => {
    const submit = () =>
      api
        .post('/api/local-requests')
        .set('Idempotency-Key', 'kept')
        .send({ ...CREDIT_SCORE })
        .expect(202)
    const { hash } = (await submit()).body
    await apply(hash, START)
    const { record } = await store.get(hash)
    const { id } = await createRequestFiles({ redis }).add(record, {
      name: 'a.txt',
      type: 'text/plain',
      bytes: Buffer.from('a'),
    })
    await apply(hash, COMPLETE)
    await keep(hash).expect(200)
    for (const key of [keys.files(hash), keys.file(hash, id), keys.responses(hash)])
      expect(await restOf(key)).toBeGreaterThan(DAY_MS - 60_000)
    for (const key of await redis.lrange(keys.responses(hash), 0, -1))
      expect(await restOf(key)).toBeGreaterThan(DAY_MS - 60_000)
    expect((await submit()).body.hash).toBe(hash)
  })

  test('a client that follows it gets the new expiry', async () => {
    const hash = await given([START, COMPLETE])
    const got = new Promise<string>((resolve) => {
      void watcher.watch(hash, { onUpdate: ({ view }) => resolve(view.expires_at), onExpired: () => {} })
    })
    const { body } = await keep(hash).expect(200)
    expect(await got).toBe(body.expires_at)
  })

  test('a kept record that another program writes keeps its expiry', async () => {
    const hash = await given([START, COMPLETE])
    const { body } = await keep(hash).expect(200)
    const json = JSON.stringify({ ...JSON.parse((await redis.get(keys.record(hash))) ?? ''), note: 1 })
    await redis.del(keys.backup(hash))
    await redis.setex(keys.record(hash), 60, json)
    const { body: view } = await usual.api.get(`/api/local-requests/${hash}/status`).expect(200)
    expect(view).toMatchObject({ is_kept: true, expires_at: body.expires_at })
  })
})

describe('the result page', () => {
  test('its button keeps the request once, and the page then says so', async () => {
    const hash = await given([START, COMPLETE])
    const $ = await browser.open(at('result', hash))
    expect($('.life form').first().attr('action')).toBe(at('keep', hash))
    await browser.post(at('keep', hash)).expect(303).expect('Location', at('result', hash))
    const kept = await browser.open(at('result', hash))
    expect(textOf(kept, '.life')).toContain('This is longer than usual, as you asked.')
    expect(kept(`form[action="${at('keep', hash)}"]`)).toHaveLength(0)
    await browser.post(at('keep', hash)).expect(303).expect('Location', at('result', hash))
  })

  test('there is no such button where the operator has not allowed it', async () => {
    const hash = await given([START, COMPLETE])
    const { text } = await usual.api.get(at('result', hash)).set('Accept', 'text/html').expect(200)
    expect(load(text)(`form[action="${at('keep', hash)}"]`)).toHaveLength(0)
  })

  test('it deletes the request after a question, without script, and then answers 410', async () => {
    const hash = await given([START, COMPLETE])
    const $ = await browser.open(at('result', hash))
    expect($('.life a.button-danger').attr('href')).toBe(at('delete', hash))
    const question = await browser.open(at('delete', hash))
    expect(textOf(question, 'h1')).toBe('Delete this request now?')
    expect(question('form').attr()).toMatchObject({ method: 'post', action: at('delete', hash) })
    await browser.post(at('delete', hash)).expect(303).expect('Location', at('result', hash))
    const { text } = await browser.get(at('result', hash)).expect(410)
    expect(textOf(load(text), 'h1')).toBe('This request has been deleted')
    await browser.post(at('delete', hash)).expect(410)
  })

  test('a request that has not ended cannot be deleted: its page is shown', async () => {
    const hash = await given([START])
    for (const call of [browser.get(at('delete', hash)), browser.post(at('delete', hash))])
      await call.expect(303).expect('Location', at('progress', hash))
    await browser.get(at('progress', hash)).expect(200)
  })

  test('the page offers neither to other browsers where only the submitter may act', async () => {
    const owned = await useServer(testRedis, { settings: { OWNER_CHECK: 'actions', KEEP_LONGER: 'on' } })
    const hash = await owned.given([START, COMPLETE])
    const other = openBrowser(owned.address)
    const $ = await other.open(at('result', hash))
    expect($('.life .actions')).toHaveLength(0)
    await other.get(at('delete', hash)).expect(403)
    await other.post(at('delete', hash)).expect(403)
    await other.post(at('keep', hash)).expect(403)
  })
})
