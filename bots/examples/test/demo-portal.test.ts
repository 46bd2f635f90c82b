/** The demo portal, walked through by hand over real HTTP: fetch, a cookie, and the forms read from the pages. */
import { type CheerioAPI, load } from 'cheerio'
import { describe, expect, test, vi } from 'vitest'
import { createLog } from '../../../core/runtime/log.ts'
import { healthOf, inboxOf, MOBILE, newestCode, otherThan, startPortal } from './local-portal.ts'

const PERSON = { national_code: '0012345679', mobile: MOBILE }

interface Screen {
  status: number
  path: string
  headers: Headers
  $: CheerioAPI
  error: string | undefined
}

/** One person's browser: a single cookie, redirects followed by hand. */
function openBrowser(base: string) {
  let cookie = ''
  async function visit(address: string | URL, body?: URLSearchParams): Promise<Screen> {
    const url = new URL(address, base)
    const response = await fetch(url, {
      method: body ? 'POST' : 'GET',
      body,
      headers: { cookie },
      redirect: 'manual',
    })
    cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? cookie
    const target = response.headers.get('location')
    if (target) return visit(new URL(target, url))
    const $ = load(await response.text())
    return {
      status: response.status,
      path: url.pathname,
      headers: response.headers,
      $,
      error: $('.error').attr('data-error'),
    }
  }
  return {
    visit,
    /** Sends the form of this name as the page shows it, with these fields filled in. */
    send({ $ }: Screen, name: string, fields: Record<string, string> = {}): Promise<Screen> {
      const form = $(`form[name="${name}"]`)
      const hidden = form
        .find('input[type=hidden]')
        .map((_, input) => [[$(input).attr('name'), $(input).attr('value')]])
      return visit(
        form.attr('action') as string,
        new URLSearchParams({ ...Object.fromEntries(hidden.get()), ...fields }),
      )
    },
  }
}
type Browser = ReturnType<typeof openBrowser>

function solve({ $ }: Screen): string {
  const numbers = 'zero one two three four five six seven eight nine ten eleven twelve'.split(' ')
  const [, a, operation, b] =
    /(\w+) (plus|minus|times) (\w+)\?/.exec($('.question span:not([hidden])').text()) ?? []
  const [left, right] = [numbers.indexOf(a as string), numbers.indexOf(b as string)]
  return String(operation === 'plus' ? left + right : operation === 'minus' ? left - right : left * right)
}

async function walkToCode(browser: Browser): Promise<Screen> {
  const captcha = await browser.send(await browser.visit('/login'), 'login', PERSON)
  const sendCode = await browser.send(captcha, 'captcha', { answer: solve(captcha) })
  return browser.send(sendCode, 'send-code')
}

async function walkToReport(base: string): Promise<Screen> {
  const browser = openBrowser(base)
  const code = await walkToCode(browser)
  return browser.send(await browser.send(code, 'code', { code: await newestCode(base) }), 'confirmed')
}

const rowsOf = ({ $ }: Screen, table = 'table'): Record<string, string> =>
  Object.fromEntries(
    $(`${table} tr`)
      .get()
      .map((row) => [$(row).find('th').text(), $(row).find('td').text()]),
  )

describe('the demo portal: a visit', () => {
  test('a visit leads from sign-in to a credit report', async () => {
    const base = await startPortal()
    const report = await walkToReport(base)
    expect(report.path).toBe('/report')
    expect(rowsOf(report)).toEqual({
      Name: expect.stringMatching(/^\w+ \w+$/),
      Score: expect.stringMatching(/^\d{1,3} of 900$/),
      Rating: expect.stringMatching(/^[A-E]$/),
      'Open loans': expect.stringMatching(/^\d$/),
      'Bounced cheques': expect.stringMatching(/^\d$/),
      'Date of the report': new Date().toISOString().slice(0, 10),
      'Reference number': expect.stringMatching(/^DEMO-\d{8}$/),
    })
  })

  test('the same national code gets the same score twice', async () => {
    const base = await startPortal()
    const [first, second] = [rowsOf(await walkToReport(base)), rowsOf(await walkToReport(base))]
    expect({ ...first, 'Reference number': '' }).toEqual({ ...second, 'Reference number': '' })
  })

  test('every page is marked DEMO and not cached, and the session cookie is HttpOnly', async () => {
    const base = await startPortal()
    const browser = openBrowser(base)
    const login = await browser.visit('/login')
    const pages = [
      login,
      await browser.visit('/'),
      await walkToCode(browser),
      await browser.visit('/nowhere'),
      await browser.visit('/inbox'),
    ]
    for (const { $, headers } of pages) {
      expect($('.demo').text()).toContain('DEMO')
      expect($('title').text()).toContain('DEMO')
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('x-powered-by')).toBeNull()
    }
    expect(login.headers.getSetCookie()[0]).toMatch(/^portal_session=[\w-]{32};.*HttpOnly/)
  })

  test('a form with a wrong, missing or used token is refused', async () => {
    const browser = openBrowser(await startPortal())
    const login = await browser.visit('/login')
    expect(await browser.send(login, 'login', { ...PERSON, _token: 'guessed' })).toMatchObject({
      status: 403,
      error: 'form-too-old',
    })
    expect(await browser.visit('/login', new URLSearchParams(PERSON))).toMatchObject({
      status: 403,
      error: 'form-too-old',
    })

    const fresh = await browser.visit('/login')
    const wrong = await browser.send(fresh, 'login', { ...PERSON, mobile: '12' })
    expect(wrong).toMatchObject({ status: 422, error: 'login-refused' })
    expect(await browser.send(fresh, 'login', PERSON)).toMatchObject({ status: 403, error: 'form-too-old' })
  })

  test('every page has a new token', async () => {
    const browser = openBrowser(await startPortal())
    const tokenOf = ({ $ }: Screen): string | undefined => $('[name=_token]').attr('value')
    const code = await walkToCode(browser)
    expect(tokenOf(await browser.visit('/code'))).not.toBe(tokenOf(code))
  })

  test('a request for another stage is redirected to the session’s stage', async () => {
    const browser = openBrowser(await startPortal())
    await browser.send(await browser.visit('/login'), 'login', PERSON)
    expect((await browser.visit('/report')).path).toBe('/captcha')
  })

  test('a request without a session, or after ten minutes of inactivity, answers that the session is over', async () => {
    let clock = Date.now()
    const browser = openBrowser(await startPortal({ now: () => clock }))
    expect(await browser.visit('/captcha')).toMatchObject({ status: 401, error: 'session-over' })
    await walkToCode(browser)
    clock += 10 * 60_000 - 1
    expect((await browser.visit('/code')).path).toBe('/code')
    clock += 10 * 60_000
    expect(await browser.visit('/code')).toMatchObject({ status: 401, error: 'session-over' })
  })
})

describe('the demo portal: the account area', () => {
  const ACCOUNT = { account_number: '1234567890123', mobile: MOBILE }

  async function walkToAccountCode(browser: Browser, account = ACCOUNT): Promise<Screen> {
    const login = await browser.send(await browser.visit('/account/login'), 'login', account)
    return browser.send(login, 'send-code')
  }
  async function walkToStatement(base: string, account = ACCOUNT): Promise<Screen> {
    const browser = openBrowser(base)
    const code = await walkToAccountCode(browser, account)
    return browser.send(code, 'code', { code: await newestCode(base) })
  }
  const linesOf = ({ $ }: Screen): string[][] =>
    $('.lines tbody tr')
      .get()
      .map((row) => $(row).find('td').get().map((cell) => $(cell).text())) // biome-ignore format: one row
  const rials = (text: string | undefined): number => Number(text?.replaceAll(',', ''))

  test('the account area leads without a captcha to a statement with a masked account number', async () => {
    const statement = await walkToStatement(await startPortal())
    expect(statement.path).toBe('/account/statement')
    expect(rowsOf(statement, '.account')).toMatchObject({
      Account: '******0123',
      Holder: expect.stringMatching(/^\w+ \w+$/),
      Currency: 'IRR',
      'Reference number': expect.stringMatching(/^DEMO-\d{8}$/),
    })
    expect(statement.$.html()).not.toContain(ACCOUNT.account_number)
  })

  test('a statement has 8 to 20 lines, oldest first, that add up to the closing balance', async () => {
    const base = await startPortal()
    for (const account_number of ['1234567890', '1234567890123456', '0000000000']) {
      const statement = await walkToStatement(base, { ...ACCOUNT, account_number })
      const lines = linesOf(statement)
      expect(lines.length).toBeGreaterThanOrEqual(8)
      expect(lines.length).toBeLessThanOrEqual(20)
      const dates = lines.map(([date]) => date)
      expect(dates).toEqual([...dates].sort())
      for (const [i, [, , amount, balance]] of lines.entries())
        if (i > 0) expect(rials(lines[i - 1]?.[3]) + rials(amount)).toBe(rials(balance))
      expect(lines.at(-1)?.[3]).toBe(rowsOf(statement, '.account')['Closing balance'])
    }
  })

  test('the same account gets the same lines twice, and another account different ones', async () => {
    const base = await startPortal({ now: () => Date.UTC(2026, 5, 1) })
    const lines = linesOf(await walkToStatement(base))
    expect(linesOf(await walkToStatement(base))).toEqual(lines)
    const other = { ...ACCOUNT, account_number: '9876543210' }
    expect(linesOf(await walkToStatement(base, other))).not.toEqual(lines)
  })

  test('the account area validates its own sign-in fields and applies the portal’s rules for codes', async () => {
    const base = await startPortal()
    const browser = openBrowser(base)
    const login = await browser.visit('/account/login')
    const refused = await browser.send(login, 'login', { ...ACCOUNT, account_number: '123' })
    expect(refused).toMatchObject({ status: 422, error: 'login-refused', path: '/account/login' })
    const code = await walkToAccountCode(browser)
    const wrong = await browser.send(code, 'code', { code: otherThan(await newestCode(base)) })
    expect(wrong.error).toBe('code-wrong')
    const again = await browser.send(wrong, 'resend')
    expect([again.path, again.$('.tries').text()]).toEqual(['/account/code', '3'])
  })

  test('a session of one area does not open the other area', async () => {
    const base = await startPortal()
    const browser = openBrowser(base)
    await walkToAccountCode(browser)
    for (const path of ['/code', '/confirmed', '/report'])
      expect((await browser.visit(path)).path).toBe('/account/code')
  })
})

describe('the demo portal: the captcha', () => {
  test('a wrong captcha answer gets a new question', async () => {
    const browser = openBrowser(await startPortal())
    const captcha = await browser.send(await browser.visit('/login'), 'login', PERSON)
    const again = await browser.send(captcha, 'captcha', { answer: '999' })
    expect(again.error).toBe('captcha-wrong')
    expect((await browser.send(again, 'captcha', { answer: solve(again) })).path).toBe('/send-code')
  })

  test('a right captcha answer may be rejected at random, and the next one is accepted', async () => {
    const chances = [0.24, 0.25]
    const browser = openBrowser(await startPortal({ random: () => chances.shift() as number }))
    const captcha = await browser.send(await browser.visit('/login'), 'login', PERSON)
    const again = await browser.send(captcha, 'captcha', { answer: solve(captcha) })
    expect(again.error).toBe('captcha-expired')
    expect((await browser.send(again, 'captcha', { answer: solve(again) })).path).toBe('/send-code')
  })
})

describe('the demo portal: the code', () => {
  test('wrong codes are answered with the tries left, and the third one ends the session', async () => {
    const base = await startPortal()
    const browser = openBrowser(base)
    let screen = await walkToCode(browser)
    const wrong = otherThan(await newestCode(base))
    for (const left of [2, 1]) {
      screen = await browser.send(screen, 'code', { code: wrong })
      expect(screen.error).toBe('code-wrong')
      expect(screen.$('.tries').text()).toBe(String(left))
    }
    expect(await browser.send(screen, 'code', { code: wrong })).toMatchObject({
      status: 403,
      error: 'code-locked',
    })
    expect(await browser.visit('/code')).toMatchObject({ status: 401, error: 'session-over' })
  })

  test('a resent code invalidates the last one and has three tries', async () => {
    const base = await startPortal()
    const browser = openBrowser(base)
    const first = await walkToCode(browser)
    const old = await newestCode(base)
    let screen = await browser.send(first, 'code', { code: otherThan(old) })
    // One in a million times the new code is the old one: then another is sent.
    do screen = await browser.send(screen, 'resend')
    while ((await newestCode(base)) === old)
    expect(screen.$('.notice').text()).toContain('Another code')
    expect(screen.$('.tries').text()).toBe('3')
    screen = await browser.send(screen, 'code', { code: old })
    expect(screen.error).toBe('code-wrong')
    expect((await browser.send(screen, 'code', { code: await newestCode(base) })).path).toBe('/confirmed')
  })

  test('a code expires after two minutes', async () => {
    let clock = Date.now()
    const base = await startPortal({ now: () => clock })
    const browser = openBrowser(base)
    const screen = await walkToCode(browser)
    clock += 2 * 60_000
    expect((await browser.send(screen, 'code', { code: await newestCode(base) })).error).toBe('code-expired')
  })

  test('a code in Persian digits is accepted', async () => {
    const base = await startPortal()
    const browser = openBrowser(base)
    const screen = await walkToCode(browser)
    const persian = (await newestCode(base)).replace(/\d/g, (digit) => '۰۱۲۳۴۵۶۷۸۹'[Number(digit)] as string)
    expect((await browser.send(screen, 'code', { code: persian })).path).toBe('/confirmed')
  })
})

describe('the demo portal: the inbox', () => {
  test('the inbox lists codes newest first, as JSON and as a page', async () => {
    let clock = Date.now()
    const base = await startPortal({ now: () => clock })
    expect(await inboxOf(base)).toEqual([])
    const browser = openBrowser(base)
    const screen = await walkToCode(browser)
    clock += 1000
    await browser.send(screen, 'resend')

    const messages = await inboxOf(base)
    expect(messages).toHaveLength(2)
    for (const { code, text } of messages) {
      expect(code).toMatch(/^\d{6}$/)
      expect(text).toContain(`your code is ${code}.`)
      // As WebOTP needs it.
      expect(text.split('\n').at(-1)).toBe(`@localhost #${code}`)
    }
    expect(messages.map(({ sent_at }) => Date.parse(sent_at))).toEqual([clock, clock - 1000])

    const { $ } = await browser.visit(`/inbox/${MOBILE}`)
    expect(
      $('.code')
        .get()
        .map((code) => $(code).text()),
    ).toEqual(messages.map(({ code }) => code))
    expect($(`a[href="/inbox/${MOBILE}"]`).text()).toBe('Refresh')
    expect($('script')).toHaveLength(0)
  })

  test('the inbox deletes a code after five minutes', async () => {
    let clock = Date.now()
    const base = await startPortal({ now: () => clock })
    await walkToCode(openBrowser(base))
    clock += 5 * 60_000 - 1
    expect(await inboxOf(base)).toHaveLength(1)
    clock += 1
    expect(await inboxOf(base)).toEqual([])
  })

  test('the inbox accepts a number in any notation, and refuses an invalid one', async () => {
    const base = await startPortal()
    const browser = openBrowser(base)
    expect((await browser.visit(`/inbox?mobile=${encodeURIComponent('+98 ۹۱۲ ۳۴۵ ۶۷۸۹')}`)).path).toBe(
      `/inbox/${MOBILE}`,
    )
    const wrong = await browser.visit(`/inbox/${encodeURIComponent('<img src=x>')}`)
    expect(wrong).toMatchObject({ status: 404, error: 'no-number' })
    expect(wrong.$('img')).toHaveLength(0)
  })
})

describe('the demo portal: the delays', () => {
  test('a delay ends when the client disconnects, and the form has no effect', async () => {
    const base = await startPortal({ speed: 0.001 })
    const hangUp = new AbortController()
    const visit = fetch(`${base}/login`, { signal: hangUp.signal })
    await vi.waitFor(async () => expect((await healthOf(base)).waiting).toBe(1))
    hangUp.abort()
    await expect(visit).rejects.toThrow()
    await vi.waitFor(async () => expect((await healthOf(base)).waiting).toBe(0))
    expect((await healthOf(base)).sessions).toBe(0)
  })
})

test('the log contains nothing that was typed or sent', async () => {
  const lines: string[] = []
  const log = createLog('portal', 'trace', { destination: { write: (line) => void lines.push(line) } })
  const base = await startPortal({ log })
  await walkToReport(base)
  const code = await newestCode(base)
  for (const secret of [MOBILE, PERSON.national_code, code]) expect(lines.join()).not.toContain(secret)
})
