import { load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { keys } from '../helpers/keys.ts'
import { REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { at, openBrowser, textOf } from './page-browser.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { address, given, apply } = await useServer(testRedis)
const browser = openBrowser(address)

const REJECT: Command = { type: 'reject_otp', attempt: 1 }
const COMPLETE: Command = { type: 'complete', attempt: 1, result: 1 }
const ask = (otp: object): Command => ({ ...REQUIRE_OTP, otp: { id: 'otp-1', length: 6, ...otp } }) as Command
const secondsAgo = (seconds: number): { now: number } => ({ now: Date.now() - seconds * 1000 })

const recordOf = (hash: string) => redis.get(keys.record(hash))
const send = (hash: string, otp: string) => browser.post(at('otp', hash), { otp })
const refused = (hash: string, otp: string) => browser.refused(at('otp', hash), { otp })
const resend = (hash: string) => browser.post(at('resend-otp', hash))
/** A prompt as another program may write it. */
async function changePrompt(hash: string, change: object): Promise<void> {
  const record = JSON.parse((await recordOf(hash)) ?? '')
  Object.assign(record.otp_data, change)
  await redis.setex(keys.record(hash), TTL_SECONDS, JSON.stringify(record))
}

describe('the code page', () => {
  test('the code page shows the target, length and expiry of the code and focuses its only field', async () => {
    const $ = await browser.open(at('otp', await given([START, REQUIRE_OTP])))
    expect(textOf($, '.panel-ask')).toMatch(
      /sent to 0912\*\*\*4567.*6 digits.*Valid for about 2 minutes, until/,
    )
    expect($('#otp').attr()).toMatchObject({ autofocus: '', autocomplete: 'one-time-code', dir: 'ltr' })
    expect($('title').text()).toMatch(/^Code needed/)
    expect($('#otp-error')).toHaveLength(0)
  })

  test('the progress page shows the code form while a code is awaited, without focusing it', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const $ = await browser.open(at('progress', hash))
    expect($('.panel-ask form').attr()).toMatchObject({ method: 'post', action: at('otp', hash) })
    expect($('#otp').attr('autofocus')).toBeUndefined()
  })

  test('the code page shows the attempts left after a wrong code, and that none are left after the last', async () => {
    const hash = await given([START, REQUIRE_OTP])
    for (const words of ['2 tries are left.', 'One try is left.']) {
      await send(hash, '123456').expect(303)
      await apply(hash, REJECT)
      for (const page of ['otp', 'progress']) {
        const $ = await browser.open(at(page, hash))
        expect(textOf($, '#otp-error')).toBe(`That code was not right. ${words}`)
        expect($('#otp').attr()).toMatchObject({
          'aria-invalid': 'true',
          'aria-describedby': 'otp-error otp-hint',
        })
        expect($('#otp').attr('value')).toBeUndefined()
      }
    }
    await send(hash, '123456').expect(303)
    await apply(hash, REJECT)
    await browser.get(at('otp', hash)).expect(303).expect('Location', at('result', hash))
    expect(textOf(await browser.open(at('result', hash)), '.lead')).toBe('The code was wrong too many times.')
  })
})

describe('a submitted code', () => {
  test('a submitted code reaches only the bot and redirects to the progress page', async () => {
    const hash = await given([START, REQUIRE_OTP])
    await send(hash, '918273').expect(303).expect('Location', at('progress', hash))
    expect(await redis.get(keys.otp(hash))).toBe('918273')
    expect(await recordOf(hash)).not.toContain('918273')
    const { text } = await browser.get(at('progress', hash)).expect(200)
    expect(text).not.toContain('918273')
    expect(load(text)('#otp')).toHaveLength(0)
  })

  test('a code in Persian or Arabic digits, with separators, is accepted', async () => {
    for (const typed of ['۰۱۲۳۴۵', '٠١٢٣٤٥', ' 012 345 ', '012-345', '\u200e012345\u200f']) {
      const hash = await given([START, REQUIRE_OTP])
      await send(hash, typed).expect(303)
      expect(await redis.get(keys.otp(hash))).toBe('012345')
    }
  })

  const wrongForms = [
    ['', 'Type the code first'],
    [' - ', 'Type the code first'],
    ['12a456', 'The code has digits only'],
    ['<script>alert(1)</script>', 'The code has digits only'],
    ['۹۸۷', 'The code has 6 digits, you typed 3'],
    ['9876543', 'The code has 6 digits, you typed 7'],
  ] as const
  test.each(wrongForms)(
    'a code submitted as %j gets an error at its field, is not repeated and costs no attempt',
    async (typed, words) => {
      const hash = await given([START, REQUIRE_OTP])
      const before = await recordOf(hash)
      const { text } = await refused(hash, typed).expect(422).expect('Cache-Control', 'no-store')
      const $ = load(text)
      expect(textOf($, '#otp-error')).toBe(words)
      expect($('#otp').attr()).toMatchObject({ 'aria-invalid': 'true', autofocus: '' })
      expect($('#otp').attr('value')).toBeUndefined()
      expect($('title').text()).toMatch(/^Error: Code needed/)
      if (typed.trim().length > 1) expect(text).not.toContain(typed)
      expect(await recordOf(hash)).toBe(before)
      await send(hash, '123456').expect(303)
    },
  )

  test('a code form without a code, or with two, asks for a code', async () => {
    const hash = await given([START, REQUIRE_OTP])
    for (const body of ['', 'code=123456', 'otp=123456&otp=654321']) {
      const { text } = await browser.refused(at('otp', hash), body).expect(422)
      expect(textOf(load(text), '#otp-error')).toBe('Type the code first')
    }
  })

  test('an expired code is reported before and after it is submitted, and a resend is offered', async () => {
    const hash = await given([START, ask({ expires_in: 60 })], secondsAgo(61))
    const pages = [
      (await browser.get(at('otp', hash)).expect(200)).text,
      (await refused(hash, '123456').expect(410)).text,
    ]
    for (const text of pages) {
      const $ = load(text)
      expect(textOf($, '#otp-over')).toBe('Request a new one to go on.')
      expect($('#otp-error')).toHaveLength(0)
      // The field is closed, and the new code is the main action.
      expect($('form[data-closed] #otp:disabled')).toHaveLength(1)
      expect($(`form[action="${at('resend-otp', hash)}"] button`).attr('class')).toBe('button')
    }
    expect(await redis.exists(keys.otp(hash))).toBe(0)
  })

  test('a code without attempts left is refused with that reason', async () => {
    const hash = await given([START, REQUIRE_OTP])
    await changePrompt(hash, { attempts_left: 0 })
    const { text } = await refused(hash, '123456').expect(429)
    expect(textOf(load(text), '#otp-error')).toBe(
      'The code was wrong too many times. No more tries are left.',
    )
  })

  test('a code from a second tab after an accepted one redirects to the progress page and changes nothing', async () => {
    const hash = await given([START, REQUIRE_OTP])
    await send(hash, '111111').expect(303)
    const before = await recordOf(hash)
    await send(hash, '222222').expect(303).expect('Location', at('progress', hash))
    expect(await redis.get(keys.otp(hash))).toBe('111111')
    expect(await recordOf(hash)).toBe(before)
  })

  test('a code submitted from ten tabs at once is accepted once and all tabs are redirected to the progress page', async () => {
    const hash = await given([START, REQUIRE_OTP])
    const { version } = JSON.parse((await recordOf(hash)) ?? '')
    const codes = Array.from({ length: 10 }, (_, n) => `00000${n}`)
    const answers = await Promise.all(codes.map((code) => send(hash, code)))
    expect(answers.map((res) => [res.status, res.headers.location])).toEqual(
      codes.map(() => [303, at('progress', hash)]),
    )
    expect(codes).toContain(await redis.get(keys.otp(hash)))
    expect(JSON.parse((await recordOf(hash)) ?? '').version).toBe(version + 1)
  })

  test("a code that no request awaits redirects to the page of the request's state", async () => {
    for (const [changes, page] of [
      [[], 'progress'],
      [[START], 'progress'],
      [[START, REQUIRE_OTP, COMPLETE], 'result'],
      [[START, REQUIRE_OTP, { type: 'cancel', by: 'user' }], 'result'],
    ] as [Command[], string][]) {
      const hash = await given(changes)
      for (const sent of [send(hash, '123456'), resend(hash)])
        await sent.expect(303).expect('Location', at(page, hash))
      expect(await redis.exists(keys.otp(hash))).toBe(0)
    }
  })
})

describe('a resend', () => {
  test('an early resend is refused with the remaining seconds on the page and in Retry-After', async () => {
    const hash = await given([START, REQUIRE_OTP], secondsAgo(12.4))
    const before = await recordOf(hash)
    const { text, headers } = await browser.refused(at('resend-otp', hash)).expect(429)
    const seconds = Number(headers['retry-after'])
    expect(seconds).toBeGreaterThan(10)
    expect(seconds).toBeLessThanOrEqual(18)
    expect(textOf(load(text), '#otp-error')).toBe(`A new code can be sent in ${seconds} s, not yet.`)
    expect(await recordOf(hash)).toBe(before)
  })

  test('an accepted resend is shown as on its way and restarts the cooldown', async () => {
    const hash = await given([START, ask({ expires_in: 300 })], secondsAgo(31))
    const first = await browser.open(at('otp', hash))
    expect(textOf(first, '[data-live=resend-wait]')).toBe('You can request 5 more codes.')
    const { headers } = await resend(hash).expect(303)
    expect(headers.location).toBe(at('otp', hash))
    const $ = await browser.open(headers.location as string)
    expect(textOf($, '[role=status].notice')).toBe('A new code is on its way.')
    expect(textOf($, '[data-live=resend-wait]')).toMatch(
      /^You can request 4 more codes, the next in (60|5\d) s\.$/,
    )
    expect($('#otp-error')).toHaveLength(0)
  })

  test('a resend after an expired code is shown as on its way and not offered again', async () => {
    const hash = await given([START, ask({ expires_in: 60 })], secondsAgo(61))
    const { headers } = await resend(hash).expect(303)
    const $ = await browser.open(headers.location as string)
    expect(textOf($, '.notice')).toBe('A new code is on its way.')
    expect($('#otp-error')).toHaveLength(0)
  })

  test('a resent code is no longer shown as on its way after a wrong code', async () => {
    const hash = await given([START, ask({ expires_in: 300 })], secondsAgo(31))
    const { headers } = await resend(hash).expect(303)
    await send(hash, '123456').expect(303)
    await apply(hash, REJECT)
    const $ = await browser.open(headers.location as string)
    expect($('.notice:not([hidden])')).toHaveLength(0)
    expect(textOf($, '#otp-error')).toBe('That code was not right. 2 tries are left.')
  })

  test('the page says what the bot says about another code, once, on each reload', async () => {
    const first = 'A code was sent.'
    const hash = await given([START, ask({ expires_in: 300, message: first })], secondsAgo(31))
    expect((await browser.open(at('otp', hash)))('.notice:not([hidden])')).toHaveLength(0)
    await resend(hash).expect(303)
    const another = 'Another code was sent. The one before no longer works.'
    await apply(hash, ask({ id: 'otp-2', expires_in: 300, message: another }))
    for (let visit = 0; visit < 2; visit++) {
      const $ = await browser.open(at('otp', hash))
      expect(textOf($, '.notice:not([hidden])')).toBe(another)
      $('script, .timeline').remove()
      expect(textOf($, 'main').split(another)).toHaveLength(2)
    }
  })

  test('two concurrent resends from the page count as one', async () => {
    const hash = await given([START, ask({ expires_in: 300 })], secondsAgo(31))
    const answers = await Promise.all([resend(hash), resend(hash)])
    expect(answers.map((res) => res.headers.location?.includes('?refused=')).sort()).toEqual([false, true])
  })

  test('the sixth resend of a request is refused permanently', async () => {
    const hash = await given([START, ask({ expires_in: 300 })], secondsAgo(31))
    await changePrompt(hash, { resends: 5 })
    const { text, headers } = await browser.refused(at('resend-otp', hash)).expect(429)
    expect(textOf(load(text), '#otp-error')).toBe('No more codes can be sent for this request.')
    expect(headers).not.toHaveProperty('retry-after')
  })
})
