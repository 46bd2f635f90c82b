/** Limits of bodies, and of the responses to invalid ones. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const SUBMIT = '/api/local-requests'
const FORM = '/services/credit-score-rating'
const ROOM = 64 * 1024
const asBrowser = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

const { address, given } = await useServer(await useRedis(), {
  settings: { BATCHES_PER_MINUTE: '100000' },
})

async function send(path: string, body: string | Buffer, headers: Record<string, string> = {}) {
  const answer = await fetch(`${address}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: body as BodyInit,
    redirect: 'manual',
  })
  const text = await answer.text()
  const json = answer.headers.get('content-type')?.includes('json') ? JSON.parse(text) : null
  return { status: answer.status, location: answer.headers.get('location'), text, json }
}

const manyFields = (count: number): string =>
  Array.from({ length: count }, (_, i) => `"field ${i}":1`).join(',')
const BOMBS: [name: string, body: string, detail: RegExp][] = [
  ['380,000 unknown fields beside an empty batch', `{"requests":[],${manyFields(150_000)}}`, /200 members/],
  ['fields without number in an entry', `{"requests":[{${manyFields(150_000)}}]}`, /200 members/],
  ['2,000,000 brackets', '['.repeat(2_000_000) + ']'.repeat(2_000_000), /32 deep/],
  ['nested objects', `${'{"a":'.repeat(500_000)}1${'}'.repeat(500_000)}`, /32 deep/],
  ['a list of 2,000,000 numbers', `{"requests":[${'0,'.repeat(2_000_000)}0]}`, /50000 values/],
]

describe('a body', () => {
  it.each(BOMBS)('a body with %s is refused before it is parsed', async (_name, body, detail) => {
    const plain = await send(SUBMIT, body)
    expect(plain.json).toMatchObject({
      status: 413,
      code: 'body_too_large',
      detail: expect.stringMatching(detail),
    })
    expect(plain.text.length).toBeLessThan(1000)
    const packed = await send(SUBMIT, gzipSync(body), { 'content-encoding': 'gzip' })
    expect(packed.json).toEqual({ ...plain.json, call_id: packed.json.call_id })
  })

  it('the body of a submitted code has the same limits', async () => {
    const hash = await given([START, REQUIRE_OTP])
    for (const body of [`{"otp":${'['.repeat(10_000)}`, `{${manyFields(2000)}}`])
      expect((await send(`${SUBMIT}/${hash}/otp`, body)).json).toMatchObject({ code: 'body_too_large' })
  })

  it('a body in another charset than UTF-8 is refused', async () => {
    const body = Buffer.from(JSON.stringify(CREDIT_SCORE), 'utf16le')
    const answer = await send(SUBMIT, body, { 'content-type': 'application/json; charset=utf-16le' })
    expect(answer.json).toMatchObject({ code: 'unsupported_media_type' })
  })

  it('a body with 1,000 requests of 40 fields each is within the limits', async () => {
    const request_data = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, 'x']))
    const wide = await send(
      SUBMIT,
      JSON.stringify({ requests: Array(1000).fill({ ...CREDIT_SCORE, request_data }) }),
    )
    expect(wide.json).toMatchObject({ accepted: 0, refused: 1000 })
  })

  it('a form with thousands of fields is refused with a page', async () => {
    const form = Array.from({ length: 16_000 }, (_, i) => `${i}`)
      .join('&')
      .slice(0, 64 * 1024)
    const answer = await send(FORM, form, {
      ...asBrowser,
      'content-type': 'application/x-www-form-urlencoded',
    })
    expect(answer.status).toBe(413)
    expect(answer.text).toContain('<h1')
    expect(answer.text.length).toBeLessThan(ROOM)
  })
})

describe('field errors', () => {
  it('a problem lists at most 20 field errors and counts the others', async () => {
    const { json } = await send(SUBMIT, `{${manyFields(150)}}`)
    expect(json).toMatchObject({
      code: 'validation_failed',
      more_errors: 131,
      detail: 'And 131 more mistakes.',
    })
    expect(json.errors).toHaveLength(20)
    const persian = await send(SUBMIT, `{${manyFields(150)}}`, { 'accept-language': 'fa' })
    expect(persian.json.detail).toBe('و ۱۳۱ اشتباه دیگر.')
    const twenty = await send(SUBMIT, `{"service_slug":"x",${manyFields(20)}}`)
    expect(twenty.json.errors).toHaveLength(20)
    expect(twenty.json).not.toHaveProperty('more_errors')
  })

  it('the page of a refused form lists at most 20 field errors and counts the others', async () => {
    const form = new URLSearchParams(Array.from({ length: 60 }, (_, i) => [`unknown${i}`, 'x'])).toString()
    const answer = await send(FORM, form, {
      ...asBrowser,
      'content-type': 'application/x-www-form-urlencoded',
    })
    expect(answer.status).toBe(303)
    const page = await fetch(address + answer.location, { headers: asBrowser })
    const text = await page.text()
    expect(page.status).toBe(422)
    expect(text).toContain('unknown19 is not asked for here')
    expect(text).not.toContain('unknown20')
    expect(text).toContain('And 40 more mistakes.')
  })
})

describe('no response is more than 64 kB larger than its request', () => {
  const entries = (entry: string): string => `{"requests":[${Array(1000).fill(entry).join(',')}]}`
  const long = '\\u0001'.repeat(100)
  it.each([
    ['a batch of 1,000 zeros', entries('0')],
    ['a batch of 1,000 unknown services', entries('{"service_slug":"x"}')],
    ['a batch of 1,000 entries with 40 unknown fields each', entries(`{${manyFields(40)}}`)],
    [
      'a body with long field names',
      `{${Array.from({ length: 60 }, (_, i) => `"${i}${long}":1`).join(',')}}`,
    ],
    ['a service slug of 60,000 characters', JSON.stringify({ service_slug: '"'.repeat(60_000) })],
  ])('%s gets a response at most 64 kB larger', async (_name, body) => {
    const { status, text, json } = await send(SUBMIT, body)
    expect(Buffer.byteLength(text) - Buffer.byteLength(body)).toBeLessThan(ROOM)
    if (status !== 202) return
    expect(json).toMatchObject({ accepted: 0, refused: 1000 })
    expect(json.requests.map(({ index }: { index: number }) => index)).toEqual(Array.from(Array(1000).keys()))
    for (const { problem } of json.requests)
      expect(problem).toMatchObject({ code: expect.stringMatching(/^\w+$/), status: expect.any(Number) })
  })

  it('a compressed batch of 1,000 invalid entries gets a response at most 64 kB larger', async () => {
    const body = gzipSync(entries(`{${manyFields(40)}}`))
    const { status, text } = await send(SUBMIT, body, { 'content-encoding': 'gzip' })
    expect(status).toBe(202)
    expect(Buffer.byteLength(text) - body.length).toBeLessThan(ROOM)
  })

  it.each([
    ['a form full of quotation marks', FORM, `mobile=${'"'.repeat(60_000)}`],
    ['an address full of quotation marks', `${FORM}?x=${'%22'.repeat(5_000)}`, 'mobile=1'],
    ['an address with many parameters', `${FORM}?${'a&'.repeat(7_000)}`, 'mobile=1'],
    ['an unknown address of 14,000 characters', `/${"'".repeat(14_000)}`, ''],
  ])('%s gets a response at most 64 kB larger', async (_name, path, body) => {
    for (const headers of [asBrowser, { ...asBrowser, 'sec-fetch-site': 'cross-site' }]) {
      const { text } = await send(path, body, {
        ...headers,
        'content-type': 'application/x-www-form-urlencoded',
      })
      expect(Buffer.byteLength(text) - Buffer.byteLength(body) - path.length).toBeLessThan(ROOM)
    }
  })
})
