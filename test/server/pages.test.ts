import { type CheerioAPI, load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import { AppError, ERRORS, type ErrorCode } from '../../core/domain/errors.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { createPages, type PageContext } from '../../server/pages/index.ts'
import { catalog } from '../helpers/services.ts'
import {
  askForCode,
  CREDIT,
  complete,
  fail,
  HASH,
  MISTAKES,
  pages,
  pagesFor,
  partsView,
  progress,
  start,
  T0,
  TTL,
  viewAfter,
} from './page-fixtures.ts'

const READER: PageContext = { locale: 'en', address: '/here' }
const PERSIAN: PageContext = { locale: 'fa', address: '/here?x=&q=1' }
const text = ($: CheerioAPI, selector: string) => $(selector).text().replace(/\s+/g, ' ').trim()
const requestPage = (...args: Parameters<typeof viewAfter>) => load(pages.request(READER, viewAfter(...args)))

const everyPage = pagesFor(READER)
const everyPersianPage = pagesFor(PERSIAN)

describe('every page', () => {
  test.each(everyPage)(
    'the page "%s" has a language, a direction, one main heading and a title',
    (_name, html) => {
      const $ = load(html)
      expect($('html').attr()).toMatchObject({ lang: 'en', dir: 'ltr' })
      expect($('main h1')).toHaveLength(1)
      expect($('title').text()).toMatch(/\S · Online services$/)
    },
  )

  test.each([...everyPage, ...everyPersianPage])(
    'the page "%s" has nothing inline and nothing of another host',
    (_name, html) => {
      const $ = load(html)
      expect($('[style], style')).toHaveLength(0)
      expect($('script:not([src]):not([type="application/json"])')).toHaveLength(0)
      expect(
        $('*').filter((_, el) => Object.keys($(el).attr() ?? {}).some((name) => name.startsWith('on'))),
      ).toHaveLength(0)
      for (const el of $('[src], link[href], form[action]')) {
        const { src, href, action } = $(el).attr() ?? {}
        expect(src ?? href ?? action).toMatch(/^\/(?!\/)/)
      }
    },
  )

  test.each([...everyPage, ...everyPersianPage])(
    'the page "%s" labels every field and has unique ids',
    (_name, html) => {
      const $ = load(html)
      const ids = $('[id]')
        .toArray()
        .map((el) => $(el).attr('id'))
      expect(new Set(ids).size).toBe(ids.length)
      for (const input of $('input:not([type=hidden])'))
        expect($(`label[for="${$(input).attr('id')}"]`)).toHaveLength(1)
      for (const el of $('[aria-labelledby], [aria-describedby]')) {
        const named = `${$(el).attr('aria-labelledby') ?? ''} ${$(el).attr('aria-describedby') ?? ''}`
          .trim()
          .split(/\s+/)
        for (const id of named) expect(ids).toContain(id)
      }
    },
  )
})

describe('the form', () => {
  test('the form states duration, code and retention', () => {
    const $ = load(pages.form(READER, CREDIT, { key: 'key', values: {} }))
    expect(text($, '.notes')).toMatch(/usually takes about a minute.*asked for a code.*kept for 30 minutes/)
    expect($('input[name=_key]').val()).toBe('key')
    expect($('[placeholder]')).toHaveLength(0)
    expect(text($, '#field-mobile-hint')).toContain('for example 09123456789')
  })

  test('an invalid form keeps its values and has the same error text in the summary and at the field', () => {
    const refusal = new AppError('validation_failed', {
      errors: [
        { field: 'mobile', code: 'mobile_invalid' },
        { field: '"><script>', code: 'unknown_field' },
      ],
    })
    const $ = load(pages.form(READER, CREDIT, { key: 'k', values: { mobile: '0912"><b>' }, refusal }))
    expect($('title').text()).toMatch(/^Error: /)
    expect($('#field-mobile').val()).toBe('0912"><b>')
    expect($('#field-mobile').attr()).toMatchObject({
      'aria-invalid': 'true',
      'aria-describedby': 'field-mobile-error field-mobile-hint',
    })
    expect(text($, '.error-summary a[href="#field-mobile"]')).toBe(text($, '#field-mobile-error'))
    expect(text($, '.error-summary li:last-child')).toContain('"><script> is not asked for here')
  })
})

describe('a running request', () => {
  test('a queued request shows its position and the usual duration', () => {
    const $ = requestPage()
    expect(text($, 'h1')).toBe('In the queue')
    expect(text($, '[data-live=message]')).toBe('Place 3 in the queue.')
    expect(text($, '[data-live=remaining]')).toBe('Usually about a minute')
    expect(text($, '[data-live=age]')).toBe('sent just now')
  })

  test('a page says that a code will be asked for until it was, to those who can type it', () => {
    const note = 'keep your phone at hand'
    const pageOf = (...args: Parameters<typeof pages.request>) => text(load(pages.request(...args)), '.leave')
    const view = viewAfter(start)
    expect(pageOf(READER, view)).toContain(note)
    expect(pageOf(READER, view, { mayAct: false })).not.toContain(note)
    const asked = {
      at: view.updated_at,
      status: 'otp_required',
      attempt: 1,
      step: null,
      message: null,
      asked: 'code',
    } as const
    expect(pageOf(READER, view, { timeline: [asked] })).not.toContain(note)
  })

  test("a running request shows percent, step and the bot's message, escaped", () => {
    const $ = requestPage(start, progress)
    expect($('[role=progressbar]').attr()).toMatchObject({
      'aria-valuenow': '42',
      'aria-valuetext': '42 percent, step 2 of 6: Solve the captcha',
    })
    expect($('.bar-fill').attr('width')).toBe('42%')
    expect($('[aria-current=step]').attr('data-step')).toBe('captcha_solving')
    expect(text($, '[data-live=message]')).toBe('<b>حل</b> کپچا')
    expect($('title').text()).toBe('42% · Credit score · Online services')
  })

  test('a running request shows the substeps below their step, each with its own text', () => {
    const wordsOf = (reader: PageContext): string[] => {
      const $ = load(pages.request(reader, partsView()))
      expect($('.steps > li').length).toBe(2)
      expect(
        $('[aria-current]')
          .get()
          .map((step) => $(step).attr('data-step')),
      ).toEqual(['asking'])
      expect($('[role=progressbar]').attr('aria-valuetext')).toMatch(/[1۱][^:]+[2۲]: /)
      const parts = $('.steps > [data-step=asking] > ul > li').get()
      expect(parts.map((part) => $(part).attr('data-state'))).toEqual(['failed', 'current', 'waiting'])
      return parts.map((part) => $(part).text().replace(/\s+/g, ' ').trim())
    }
    expect(wordsOf(READER)).toEqual(['Swift failed', 'Steady 40%', 'Thorough not started'])
    expect(wordsOf(PERSIAN)).toEqual([
      'چابک ناموفق',
      expect.stringMatching(/^استوار .*۴۰٪/),
      'موشکاف هنوز شروع نشده',
    ])
  })

  test('a finished request shows the outcome of each substep', () => {
    const $ = load(pages.request(READER, partsView(complete({ score: 712 }))))
    const rows = $('tbody tr')
      .get()
      .map((row) =>
        $(row)
          .children()
          .get()
          .map((cell) => $(cell).text()),
      )
    expect(rows).toEqual([
      ['Ask three providers', '1 s'],
      ['Swift', 'failed'],
      ['Steady', 'not needed'],
      ['Thorough', 'not needed'],
    ])
    expect($('td.part-of')).toHaveLength(3)
  })

  test('a running request passes its view to the script in an escaped data block', () => {
    const $ = requestPage(start, { ...progress, message: '</script><script>alert(1)</script>' })
    const data = JSON.parse($('#page-data').text())
    expect(data.view.current_message).toBe('</script><script>alert(1)</script>')
    expect(JSON.stringify(data)).not.toContain('"secret"')
    expect(data.texts['live.status.failed']).toBeTruthy()
  })

  test('a request between two attempts shows when the next one starts', () => {
    const error = { code: 'timed_out', message: 'x', retryable: true }
    const $ = requestPage(start, { type: 'retry', attempt: 1, nextRetryAt: T0 + 24_000, error })
    expect(text($, 'h1')).toBe('Trying again soon')
    expect(text($, '[data-live=age]')).toBe('Attempt 2 of 3 in 20 s')
  })

  test('a request of an unknown service is shown', () => {
    const $ = load(pages.request(READER, { ...viewAfter(start), service_slug: 'tax_office', steps: [] }))
    expect(text($, '.eyebrow')).toBe('Tax office')
  })
})

describe('the code prompt', () => {
  test('the code prompt shows target and length, with one field that accepts a pasted code', () => {
    const $ = requestPage(start, askForCode)
    expect(text($, '.panel-ask')).toMatch(
      /sent to 0912\*\*\*4567.*6 digits.*Valid for about 2 minutes, until/,
    )
    expect($('#otp').attr()).toMatchObject({
      inputmode: 'numeric',
      autocomplete: 'one-time-code',
      dir: 'ltr',
      type: 'text',
    })
    expect($('#otp').attr('maxlength')).toBeUndefined()
    expect($('title').text()).toMatch(/^Code needed/)
    expect(text($, '[data-live=resend-wait]')).toBe('You can request 5 more codes, the next in 30 s.')
    // A countdown would stand still.
    expect(text($, '.resend .without-script')).toMatch(/^The next one at .* UTC\.$/)
  })

  test('the code prompt shows the attempts left after a wrong code', () => {
    const $ = requestPage(
      start,
      askForCode,
      { type: 'submit_otp', otp: '483920' },
      { type: 'reject_otp', attempt: 1 },
    )
    expect(text($, '#otp-error')).toBe('That code was not right. 2 tries are left.')
  })

  test('an expired code prompt says so and offers a resend', () => {
    const late = createPages({ catalog, ttlSeconds: TTL, now: () => T0 + 600_000 })
    const $ = load(late.request(READER, viewAfter(start, askForCode)))
    expect(text($, '#otp-over')).toBe('Request a new one to go on.')
    expect(text($, '[data-live=resend]')).toBe('Request a new code')
  })
})

describe('the end', () => {
  test('a result is shown as definition lists and tables, escaped, with reference and times', () => {
    const result = {
      credit_score: 712,
      is_final: true,
      broken: [{ url: 'https://x/<i>', status: 404 }],
      nothing: [],
      deep: { a: { b: [1] } },
    }
    const $ = requestPage(start, progress, complete(result))
    expect(text($, 'h1')).toBe('Your result is ready')
    expect(text($, '.panel .facts')).toBe('Credit score 712 Is final Yes')
    expect(
      $('.panel th')
        .toArray()
        .map((th) => $(th).text()),
    ).toEqual(['URL', 'Status'])
    expect($('.panel td').first().text().trim()).toBe('https://x/<i>')
    expect($('i')).toHaveLength(0)
    expect($('#reference').text()).toBe(shortReference(HASH))
    expect(
      $('time')
        .toArray()
        .map((time) => $(time).attr('datetime')),
    ).toContain(viewAfter(start, progress, complete(result)).expires_at)
    expect($('a[download$=json]').attr('href')).toBe(`/api/local-requests/${HASH}/result`)
    // The hash would open the request for everyone who gets the file.
    expect($('a[download$=json]').attr('download')).not.toContain(HASH)
  })

  test.each([null, [], {}, 'plain words', 7, [[1], [2]], { a: null }])(
    'the result %j has a page',
    (result) => {
      expect(text(requestPage(start, complete(result)), '.panel')).not.toBe('Result')
    },
  )

  test('the headline of a result is shown first, apart from the rest', () => {
    const $ = requestPage(start, complete({ rating: 'A', score: 712 }))
    expect(text($, '.panel .headline')).toBe('Score 712 of 900 Good 600 to 720')
    expect(text($, '.panel .facts')).toBe('Rating A')
  })

  test.each([{ score: null }, { score: [1] }, { score: {} }, { rating: 'A' }])(
    'the result %j, without a usable headline, shows none',
    (result) => {
      expect(requestPage(start, complete(result))('.headline')).toHaveLength(0)
    },
  )

  test('a result that is only a headline has no empty rest', () => {
    expect(text(requestPage(start, complete({ score: 712 })), '.panel')).toBe(
      'Result Score 712 of 900 Good 600 to 720',
    )
  })

  test("a failure with a known code shows its text, with the bot's message in the details", () => {
    const $ = requestPage(start, fail('bot_unavailable', 'ECONNREFUSED'))
    expect(text($, '.lead')).toBe('The service could not be reached.')
    expect(text($, '.technical')).toContain('ECONNREFUSED')
    expect($('main .actions a').attr('href')).toBe(`/services/credit-score-rating?again=${HASH}`)
  })

  test("a bot's words without a translation are in the technical details, with their origin", () => {
    const $ = requestPage(start, fail('no_such_person', 'The portal knows nobody with this code'))
    expect(text($, '.lead')).toBe('The request ended without a result.')
    expect(text($, '.technical')).toMatch(
      /In the words of the service ?The portal knows nobody with this code$/,
    )
    $('script').remove()
    expect(text($, 'main').match(/The portal knows nobody/g)).toHaveLength(1)
  })

  test('a cancelled request offers to start again', () => {
    const $ = requestPage({ type: 'cancel', by: 'user' })
    expect(text($, 'h1')).toBe('Cancelled')
    expect(text($, `main a[href="/services/credit-score-rating?again=${HASH}"]`)).toBe('Start again')
  })
})

describe('a problem', () => {
  const problem = (error: AppError) => load(pages.problem(READER, error, CREDIT.slug))

  test.each(Object.keys(ERRORS) as ErrorCode[])('the error %s has a page', (code) => {
    expect(text(problem(new AppError(code)), 'h1')).not.toBe('')
  })

  test('the page of a retryable error says when to retry and offers it', () => {
    const $ = problem(new AppError('rate_limited', { retryAfterSeconds: 40 }))
    expect(text($, 'main')).toContain('Please try again in 40 s.')
    expect($('a[href="/here"]')).toHaveLength(1)
  })

  test('the page of a permanent error offers a new request', () => {
    const $ = problem(new AppError('request_expired'))
    expect($('a[href="/here"]')).toHaveLength(0)
    expect($('main a[href="/services/credit-score-rating"]')).toHaveLength(1)
    expect($('.eyebrow')).toHaveLength(0)
  })

  test('the only way on from a problem is its main one', () => {
    const lost = load(pages.problem(READER, new AppError('not_found'), null))
    expect(lost('.actions .button').attr('class')).toBe('button')
    expect(text(problem(new AppError('storage_unavailable')), '.actions')).toBe('Try again')
  })
})

describe('in Persian', () => {
  test.each(everyPersianPage)('the Persian page "%s" reads from right to left', (_name, html) => {
    const $ = load(html)
    expect($('html').attr()).toMatchObject({ lang: 'fa', dir: 'rtl' })
    expect($('title').text()).toMatch(/[\u0600-\u06ff].* · سرویس‌های آنلاین$/)
  })

  test.each(everyPersianPage)(
    'the Persian page "%s" links to itself in English and keeps its query',
    (_name, html) => {
      const $ = load(html)
      expect($('.language')).toHaveLength(1)
      expect($('.language').attr()).toMatchObject({
        href: '?x=&q=1&lang=en',
        lang: 'en',
        hreflang: 'en',
        dir: 'ltr',
      })
      expect(text($, '.language')).toBe('English')
    },
  )

  /** The page's own words: without a bot's text, scripts and what is always Latin. */
  const ownWords = (html: string): string => {
    const $ = load(html)
    $(
      'script, [dir=ltr], [data-live=message], [aria-labelledby=result-title], details, .brand, footer',
    ).remove()
    return text($, 'body')
  }
  test.each(everyPersianPage)(
    'the Persian page "%s" has no English word and no western digit',
    (_name, html) => {
      expect(ownWords(html).replaceAll(/JSON|CSV|PDF/g, '')).not.toMatch(/[A-Za-z0-9]/)
    },
  )

  test('a running request in Persian has Persian steps and passes Persian texts to the script', () => {
    const $ = load(pages.request(PERSIAN, viewAfter(start, progress)))
    expect($('[role=progressbar]').attr('aria-valuetext')).toBe('۴۲ درصد، مرحلهٔ ۲ از ۶: عبور از کد امنیتی')
    expect($('title').text()).toBe('۴۲٪ · رتبهٔ اعتباری · سرویس‌های آنلاین')
    const { texts } = JSON.parse($('#page-data').text())
    expect(texts['live.status.failed']).toBe('انجام نشد')
  })

  test("a Persian page shows phone numbers, codes and hashes left to right and isolates a bot's text", () => {
    const code = load(pages.request(PERSIAN, viewAfter(start, askForCode)))
    for (const place of ['h2', '.sent-to'])
      expect(code(`.panel-ask ${place} bdi[dir=ltr]`).text()).toBe('۰۹۱۲***۴۵۶۷')
    expect(code('#otp').attr('dir')).toBe('ltr')
    expect(load(pages.request(PERSIAN, viewAfter(start, progress)))('bdi[data-live=message]')).toHaveLength(1)
    const result = load(pages.request(PERSIAN, viewAfter(start, complete({ score: 712, id: 'a1' }))))
    expect(result('#reference').attr('dir')).toBe('ltr')
    expect(text(result, '.panel .facts')).toBe('ID a1')
    expect(text(result, 'time')).toMatch(/۱۴۰۵/)
  })

  test('the Persian form has Persian labels and an example in Persian digits', () => {
    const $ = load(pages.form(PERSIAN, CREDIT, { key: 'k', values: {}, refusal: MISTAKES }))
    expect(text($, 'label[for=field-mobile]')).toBe('شمارهٔ تلفن همراه')
    expect(text($, '#field-mobile-hint')).toContain('۰۹۱۲۳۴۵۶۷۸۹')
    expect($('title').text()).toMatch(/^خطا: /)
  })
})
