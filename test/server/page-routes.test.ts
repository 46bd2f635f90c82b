import { load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, PRIVATE, progressTo, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { at, openBrowser, textOf } from './page-browser.ts'

const FORM = '/services/credit-score-rating'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, given } = await useServer(testRedis)
const browser = openBrowser(address)

const PAGES = ['progress', 'otp', 'result', 'cancel', 'resend-otp']
const error = { code: 'x', message: 'y', retryable: false }
const STATES: Record<string, { changes: Command[]; shown: string[]; fitting: string }> = {
  pending: { changes: [], shown: ['progress', 'cancel'], fitting: 'progress' },
  processing: { changes: [START, progressTo(40)], shown: ['progress', 'cancel'], fitting: 'progress' },
  otp_required: { changes: [START, REQUIRE_OTP], shown: ['progress', 'otp', 'cancel'], fitting: 'progress' },
  completed: {
    changes: [START, { type: 'complete', attempt: 1, result: { score: 1 } }],
    shown: ['result'],
    fitting: 'result',
  },
  failed: { changes: [START, { type: 'fail', attempt: 1, error }], shown: ['result'], fitting: 'result' },
  cancelled: { changes: [{ type: 'cancel', by: 'user' }], shown: ['result'], fitting: 'result' },
}
const states = Object.entries(STATES)

/** Stores a record as another program does. */
async function foreign(record: object): Promise<string> {
  const hash = `req_${'f'.repeat(16)}${Math.random().toString(36).slice(2, 10)}`
  await redis.setex(keys.record(hash), TTL_SECONDS, JSON.stringify({ status: 'processing', ...record }))
  return hash
}

describe('the pages of a request', () => {
  test.each(states)(
    'each page of a request that is %s shows it or redirects to the page that does',
    async (_state, { changes, shown, fitting }) => {
      const hash = await given(changes)
      for (const page of PAGES) {
        const res = await browser.get(at(page, hash))
        const expected = shown.includes(page) ? [page, 200, undefined] : [page, 303, at(fitting, hash)]
        expect([page, res.status, res.headers.location]).toEqual(expected)
      }
    },
  )

  test.each(states)(
    "each page of a request that is %s redirects from another service's address to its own",
    async (_state, { changes, shown, fitting }) => {
      const hash = await given(changes)
      for (const page of PAGES) {
        const target = shown.includes(page) ? page : fitting
        for (const slug of ['link-check', 'no-such-service', 'Test-Service'])
          await browser
            .get(at(page, hash, slug))
            .expect(303)
            .expect('Location', at(target, hash))
      }
    },
  )

  test("actions under another service's address work and redirect to the request's own", async () => {
    const hash = await given([START, REQUIRE_OTP])
    await browser
      .post(at('otp', hash, 'link-check'), { otp: '123456' })
      .expect(303)
      .expect('Location', at('progress', hash))
    await browser
      .post(at('cancel', hash, 'link-check'))
      .expect(303)
      .expect('Location', at('result', hash))
  })

  test('the pages of a foreign record have a working address, whatever service it names', async () => {
    for (const [service_slug, slug] of [
      [undefined, 'request'],
      ['', 'request'],
      ['tax_office', 'tax_office'],
      ['a/b?c#d', 'a%2Fb%3Fc%23d'],
      ['مالیات', encodeURIComponent('مالیات')],
      ['<script>', '%3Cscript%3E'],
      // Slugs that cannot be in an address: dots are path segments, lone surrogates cannot be encoded.
      ['.', 'request'],
      ['..', 'request'],
      ['\ud800', 'request'],
    ]) {
      const hash = await foreign({ service_slug, progress: 30, current_message: '<script>' })
      await browser
        .get(at('progress', hash, 'x'))
        .expect(303)
        .expect('Location', at('progress', hash, slug))
      const $ = await browser.open(at('progress', hash, slug))
      expect($('[role=progressbar]').attr('aria-valuenow')).toBe('30')
      expect(textOf($, '[data-live=message]')).toBe('<script>')
    }
  })

  test('the pages of a request are neither cached nor indexed nor named to other sites', async () => {
    const isPrivate = {
      'cache-control': 'no-store',
      'referrer-policy': 'same-origin',
      'x-robots-tag': 'noindex, nofollow',
    }
    for (const [state, { changes }] of states) {
      const hash = await given(changes)
      for (const page of PAGES) {
        const { headers, text, status } = await browser.get(at(page, hash))
        expect(headers, `${state} ${page}`).toMatchObject(isPrivate)
        if (status === 200) expect(load(text)('meta[name=robots]').attr('content')).toBe('noindex')
      }
    }
    const hash = await given([START, REQUIRE_OTP])
    for (const [page, status] of [
      ['otp', 422],
      ['resend-otp', 429],
      ['cancel', 200],
    ] as const)
      expect((await browser.refused(at(page, hash)).expect(status)).headers, page).toMatchObject(isPrivate)
  })

  test('the pages of a request contain neither the submitted data nor its owner', async () => {
    for (const [, { changes }] of states) {
      const hash = await given(changes)
      const texts = [
        ...(await Promise.all(PAGES.map((page) => browser.get(at(page, hash))))),
        await browser.refused(at('otp', hash)),
        await browser.refused(at('resend-otp', hash)),
      ].map((res) => res.text)
      for (const secret of Object.values(PRIVATE)) expect(texts.join()).not.toContain(secret)
    }
    const { mobile, national_code } = CREDIT_SCORE.request_data
    const { headers } = await browser.post(FORM, CREDIT_SCORE.request_data).expect(303)
    const { text } = await browser.get(String(headers.location)).expect(200)
    expect(text).not.toContain(mobile)
    expect(text).not.toContain(national_code)
  })
})

test('every page answers HEAD like GET without a body', async () => {
  const running = await given([START, REQUIRE_OTP])
  const over = await given([{ type: 'cancel', by: 'user' }])
  const paths = [
    '/',
    FORM,
    '/services/none',
    '/none',
    ...PAGES.flatMap((page) => [at(page, running), at(page, over)]),
  ]
  for (const path of paths) {
    const [got, headed] = [await browser.get(path), await browser.head(path)]
    expect([path, headed.status, headed.headers.location]).toEqual([path, got.status, got.headers.location])
    expect(headed.headers['content-type']).toBe(got.headers['content-type'])
    expect(headed.text ?? '').toBe('')
  }
})

test('a browser gets one HttpOnly session cookie with its first page and no other later', async () => {
  const hash = await given([START])
  for (const first of ['/', FORM, at('progress', hash), at('progress', aHash())]) {
    const newcomer = openBrowser(address)
    const { headers } = await newcomer.get(first)
    expect(headers['set-cookie']).toEqual([
      expect.stringMatching(/^halfway_session=[\w-]{21}\.\w{8}\.[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/),
    ])
    // A shared cache must not serve the session cookie to others.
    expect(headers['cache-control']).toMatch(/private|no-store/)
    for (const path of ['/', FORM, at('progress', hash), '/none'])
      expect((await newcomer.get(path)).headers).not.toHaveProperty('set-cookie')
    const sent = await newcomer.post(FORM, CREDIT_SCORE.request_data).expect(303)
    expect(sent.headers).not.toHaveProperty('set-cookie')
  }
})
