/** The operator's own name and look, as the settings of the server give them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CheerioAPI, load } from 'cheerio'
import { describe, expect, inject, test } from 'vitest'
import { loadConfig } from '../../core/runtime/config.ts'
import { accentStyle, contrast } from '../../server/site/colours.ts'
import { openSite } from '../../server/site/site.ts'
import { PNG } from '../helpers/pictures.ts'
import { REQUIRE_OTP, START } from '../helpers/record.ts'
import { useFolder, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { at, HTML, openBrowser, textOf } from './page-browser.ts'

const folder = useFolder()
const LOGO = join(folder, 'logo.svg')
writeFileSync(LOGO, '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')

const redis = await useRedis()
const { address, given } = await useServer(redis, {
  assets: inject('assets'),
  settings: {
    SITE_NAME: 'en=Acme <Bank>,fa=بانک آکمه',
    SITE_LOGO: LOGO,
    SITE_COLOR: '#0a5fb4',
    SITE_LINKS: 'Privacy=https://acme.example/privacy?a=1%2C2,fa:حریم خصوصی=/fa/privacy',
    SITE_TIME_ZONE: 'Asia/Tehran',
    SITE_CREDIT: 'off',
  },
})
const inLanguage = (locale: string) => openBrowser(address, { 'Accept-Language': locale })

/** A page whatever its status. */
async function pageAt(url: string, locale: string): Promise<CheerioAPI> {
  const answer = await fetch(url, { headers: { Accept: HTML, 'Accept-Language': locale } })
  return load(await answer.text())
}

describe('the pages of an operator', () => {
  test('the pages have the name, the logo, the links and the colour of the operator in both languages', async () => {
    const hash = await given([START])
    for (const [locale, name, links] of [
      ['en', 'Acme <Bank>', ['Privacy https://acme.example/privacy?a=1%2C2']],
      ['fa', 'بانک آکمه', ['Privacy https://acme.example/privacy?a=1%2C2', 'حریم خصوصی /fa/privacy']],
    ] as const) {
      for (const path of ['/', '/services/link-check', at('progress', hash), '/no-such-page']) {
        const $ = await pageAt(address + path, locale)
        expect($('title').text()).toMatch(new RegExp(` · ${name}$`))
        expect($('.brand img').attr('alt')).toBe(name)
        const shown = $('.site-links a')
          .toArray()
          .map((link) => `${$(link).text()} ${$(link).attr('href')}`)
        expect(shown).toEqual(links)
        expect($('link[data-site]').attr('href')).toMatch(/^\/assets\/site\.[0-9a-f]{10}\.css$/)
        expect($.html()).not.toMatch(/halfway/i)
      }
    }
  })

  test('the logo is served under a name with its hash, and runs no script when it is opened', async () => {
    const logo = (await inLanguage('en').open('/'))('.brand img').attr('src') ?? ''
    expect(logo).toMatch(/^\/assets\/site-logo\.[0-9a-f]{10}\.svg$/)
    const { headers, status } = await fetch(address + logo)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^image\/svg\+xml/)
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*sandbox/)
    expect(headers.get('cache-control')).toContain('immutable')
  })

  test('the style sheet sets the accent for light and dark pages, and the icons have it', async () => {
    const style = (await inLanguage('en').open('/'))('link[data-site]').attr('href') ?? ''
    const css = await (await fetch(address + style)).text()
    expect(css).toMatch(/^:root, :host \{ --accent: #0a5fb4;/)
    expect(css).toContain('@media (prefers-color-scheme: dark)')
    expect(await (await fetch(`${address}/assets/icon-40.svg`)).text()).toContain('#0a5fb4')
  })

  test('times are in the time zone of the operator, which they name', async () => {
    const hash = await given([START, REQUIRE_OTP])
    for (const [locale, words] of [
      ['en', /until \d+:\d\d [AP]M Iran Time\.$/],
      ['fa', /^تا ساعت [۰-۹]+:[۰-۹]{2} به وقت ایران معتبر است/],
    ] as const) {
      const $ = await inLanguage(locale).open(at('progress', hash))
      const dateTime = $('[data-live=code-until] time').attr('datetime') ?? ''
      expect(textOf($, '[data-live=code-until]').replace(/\s+/g, ' ')).toMatch(words)
      const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'short', timeZone: 'Asia/Tehran' })
      expect($('[data-live=code-until] time').text()).toContain(clock.format(new Date(dateTime)))
    }
  })
})

describe('the settings of the look', () => {
  test.each([
    [{ SITE_NAME: 'en=Acme,ACME' }, /SITE_NAME: must be one name, or names by language/],
    [{ SITE_COLOR: 'red' }, /SITE_COLOR: must be a colour such as #14615d/],
    [{ SITE_LOGO: 'logo.gif' }, /SITE_LOGO: must be an \.svg or a \.png file/],
    [{ SITE_LINKS: 'Privacy=javascript:alert(1)' }, /SITE_LINKS: must be label=address/],
    [{ SITE_LINKS: 'Privacy=//evil.example' }, /SITE_LINKS: must be label=address/],
    [{ SITE_TIME_ZONE: 'Tehran' }, /SITE_TIME_ZONE: must be a time zone/],
  ])('%o is refused with a sentence', (settings, sentence) => {
    expect(() => loadConfig(settings)).toThrow(sentence)
  })

  const open = (settings: Record<string, string>) => openSite(loadConfig(settings).server.site, folder)

  test('a logo that is missing, too large or no image of its kind is refused with a sentence', () => {
    const [missing, large, wrong, png] = ['missing.svg', 'large.png', 'wrong.png', 'logo.png'].map((name) =>
      join(folder, name),
    ) as [string, string, string, string]
    const bytes = Buffer.from(PNG.split(',')[1] ?? '', 'base64')
    writeFileSync(large, Buffer.concat([bytes, Buffer.alloc(200_001)]))
    writeFileSync(wrong, '<svg xmlns="http://www.w3.org/2000/svg"/>')
    writeFileSync(png, bytes)
    expect(() => open({ SITE_LOGO: missing })).toThrow(/cannot be read/)
    expect(() => open({ SITE_LOGO: large })).toThrow(/at most 200000 fit/)
    expect(() => open({ SITE_LOGO: wrong })).toThrow(/is not a PNG image/)
    expect(open({ SITE_LOGO: png }).site.logo).toMatch(/\.png$/)
  })

  test.each([
    ['#ff8800', '2.2 to 1 with the background of light pages'],
    ['#777777', '4.1 to 1 with the background of light pages'],
    ['#14615d,#14615d', 'to 1 with the background of dark pages'],
  ])('the colour %s is refused, and the nearest one with enough contrast is named', (given, reason) => {
    let message = ''
    try {
      open({ SITE_COLOR: given })
    } catch (error) {
      message = (error as Error).message
    }
    expect(message).toContain(reason)
    const nearest = /is (#[0-9a-f]{6})\.$/.exec(message)?.[1] ?? ''
    expect(() => open({ SITE_COLOR: given.replace(/#\w+$/, nearest) })).not.toThrow()
  })

  test('every accent that is accepted can be read on buttons, links and panels, in light and dark', () => {
    const colours = ['#14615d', '#0a5fb4', '#7a1fa2', '#8b1a1a', '#000000', '#1a6b1a', '#003a8c']
    for (const colour of colours) {
      const [light, dark] = accentStyle({ light: colour }).split('@media')
      const read = (css: string, name: string): string =>
        new RegExp(`--${name}: (#[0-9a-f]{6})`).exec(css)?.[1] ?? ''
      for (const [css = '', paper, ground] of [
        [light, '#ffffff', '#f6f7f5'],
        [dark, '#1b2224', '#12171a'],
      ] as const) {
        for (const name of ['accent', 'accent-strong']) {
          for (const other of [paper, ground, read(css, 'on-accent')])
            expect(contrast(read(css, name), other), `${colour} ${name} ${other}`).toBeGreaterThanOrEqual(4.5)
        }
      }
    }
  })
})

test('without settings the pages have a neutral name, and only the footer says what they run on', async () => {
  const plain = await useServer(redis)
  for (const path of ['/', '/services/link-check', '/no-such-page']) {
    const $ = await pageAt(plain.address + path, 'en')
    expect(textOf($, '.site-footer')).toBe('Runs on Halfway')
    $('.site-footer').remove()
    expect($('body').text() + $('title').text()).not.toMatch(/halfway/i)
    expect($('link[data-site], .brand img')).toHaveLength(0)
  }
})
