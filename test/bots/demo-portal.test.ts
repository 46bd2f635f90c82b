/** The demo portal, walked through by hand over real HTTP: fetch, a cookie, and the forms read from the pages. */
import { type CheerioAPI, load } from 'cheerio'
import { describe, expect, test, vi } from 'vitest'
import { createLog } from '../../core/runtime/log.ts'
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

describe('a visit', () => {
  test('leads from signing in to a credit report', async () => {
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

  test('shows the same person the same score twice', async () => {
    const base = await startPortal()
    const [first, second] = [rowsOf(await walkToReport(base)), rowsOf(await walkToReport(base))]
    expect({ ...first, 'Reference number': '' }).toEqual({ ...second, 'Reference number': '' })
  })

  test('is a DEMO on every page, stored nowhere, its session hidden from scripts', async () => {
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

  test('refuses a form whose token is wrong, missing or was used before', async () => {
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

  test('gives every page a token of its own', async () => {
    const browser = openBrowser(await startPortal())
    const tokenOf = ({ $ }: Screen): string | undefined => $('[name=_token]').attr('value')
    const code = await walkToCode(browser)
    expect(tokenOf(await browser.visit('/code'))).not.toBe(tokenOf(code))
  })

  test('sends whoever asks for another step back to their own', async () => {
    const browser = openBrowser(await startPortal())
    await browser.send(await browser.visit('/login'), 'login', PERSON)
    expect((await browser.visit('/report')).path).toBe('/captcha')
  })

  test('is over without a session, and after ten quiet minutes', async () => {
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

describe('a visit to the account area', () => {
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

  test('leads without a captcha to a statement that shows the account masked', async () => {
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

  test('shows 8 to 20 lines, oldest first, that add up to the closing balance', async () => {
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

  test('shows the same account the same lines twice, and another account others', async () => {
    const base = await startPortal({ now: () => Date.UTC(2026, 5, 1) })
    const lines = linesOf(await walkToStatement(base))
    expect(linesOf(await walkToStatement(base))).toEqual(lines)
    const other = { ...ACCOUNT, account_number: '9876543210' }
    expect(linesOf(await walkToStatement(base, other))).not.toEqual(lines)
  })

  test('has rules of its own for signing in, and the portal’s for the code', async () => {
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

  test('does not open the other area', async () => {
    const base = await startPortal()
    const browser = openBrowser(base)
    await walkToAccountCode(browser)
    for (const path of ['/code', '/confirmed', '/report'])
      expect((await browser.visit(path)).path).toBe('/account/code')
  })
})

describe('the captcha', () => {
  test('is asked anew after a wrong answer', async () => {
    const browser = openBrowser(await startPortal())
    const captcha = await browser.send(await browser.visit('/login'), 'login', PERSON)
    const again = await browser.send(captcha, 'captcha', { answer: '999' })
    expect(again.error).toBe('captcha-wrong')
    expect((await browser.send(again, 'captcha', { answer: solve(again) })).path).toBe('/send-code')
  })

  test('turns down a right answer when chance will have it, and takes the next one', async () => {
    const chances = [0.24, 0.25]
    const browser = openBrowser(await startPortal({ random: () => chances.shift() as number }))
    const captcha = await browser.send(await browser.visit('/login'), 'login', PERSON)
    const again = await browser.send(captcha, 'captcha', { answer: solve(captcha) })
    expect(again.error).toBe('captcha-expired')
    expect((await browser.send(again, 'captcha', { answer: solve(again) })).path).toBe('/send-code')
  })
})

describe('the code', () => {
  test('may be wrong twice, says how many tries are left, and ends the visit the third time', async () => {
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

  test('no longer works once another was sent, which begins with three tries', async () => {
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

  test('is too late after two minutes', async () => {
    let clock = Date.now()
    const base = await startPortal({ now: () => clock })
    const browser = openBrowser(base)
    const screen = await walkToCode(browser)
    clock += 2 * 60_000
    expect((await browser.send(screen, 'code', { code: await newestCode(base) })).error).toBe('code-expired')
  })

  test('may be typed in Persian digits', async () => {
    const base = await startPortal()
    const browser = openBrowser(base)
    const screen = await walkToCode(browser)
    const persian = (await newestCode(base)).replace(/\d/g, (digit) => '۰۱۲۳۴۵۶۷۸۹'[Number(digit)] as string)
    expect((await browser.send(screen, 'code', { code: persian })).path).toBe('/confirmed')
  })
})

describe('the inbox', () => {
  test('shows the codes newest first, as JSON and as a page', async () => {
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
      expect(text).toContain(code)
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

  test('keeps a code for five minutes and not longer', async () => {
    let clock = Date.now()
    const base = await startPortal({ now: () => clock })
    await walkToCode(openBrowser(base))
    clock += 5 * 60_000 - 1
    expect(await inboxOf(base)).toHaveLength(1)
    clock += 1
    expect(await inboxOf(base)).toEqual([])
  })

  test('is found by a number however it is typed, and not by what is none', async () => {
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

describe('the delays', () => {
  test('end as soon as the client hangs up, and nothing happens after', async () => {
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

test('nothing that was typed or sent stands in the log', async () => {
  const lines: string[] = []
  const log = createLog('portal', 'trace', { write: (line) => void lines.push(line) })
  const base = await startPortal({ log })
  await walkToReport(base)
  const code = await newestCode(base)
  for (const secret of [MOBILE, PERSON.national_code, code]) expect(lines.join()).not.toContain(secret)
})
