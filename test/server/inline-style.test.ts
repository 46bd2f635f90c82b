import { createHash } from 'node:crypto'
import { load } from 'cheerio'
import { describe, expect, inject, it } from 'vitest'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { at, HTML } from './page-browser.ts'

const { address, given, sessionCookie } = await useServer(await useRedis(), {
  assets: inject('assets'),
  settings: { SITE_COLOR: '#7a1fa2' },
})

/** As a browser opens a page. */
const NAVIGATION = { Accept: HTML, 'Sec-Fetch-Dest': 'document' }

async function openPage(path: string, headers: Record<string, string>) {
  const response = await fetch(address + path, { headers })
  const $ = load(await response.text())
  return {
    css: $('style').text(),
    linked: $('link[rel=stylesheet]').length,
    policy: /style-src ([^;]*)/.exec(response.headers.get('content-security-policy') ?? '')?.[1],
  }
}

const progress = async (): Promise<string> => at('progress', await given([START]))

describe('the styles of a request page', () => {
  it('are part of the page on a first visit, with the operator’s colour, and allowed by their hash alone', async () => {
    const { css, linked, policy } = await openPage(await progress(), NAVIGATION)
    expect(css).toContain('.bar-fill')
    expect(css).toContain('#7a1fa2')
    expect(css).not.toMatch(/url\(\.|sourceMappingURL|@font-face/)
    expect(linked).toBe(0)
    expect(policy).toBe(`'self' 'sha256-${createHash('sha256').update(css).digest('base64')}'`)
  })

  it.each([
    ['a later visit, which sends the session’s cookie', () => ({ Cookie: sessionCookie('a'.repeat(21)) })],
    ['a page that a script loads', () => ({ 'Sec-Fetch-Dest': 'empty' })],
  ])('are linked for %s', async (_name, headers) => {
    const { css, linked, policy } = await openPage(await progress(), { ...NAVIGATION, ...headers() })
    expect([css, linked, policy]).toEqual(['', 2, "'self'"])
  })

  it('are linked with the font on the page of a result, which nothing changes', async () => {
    const done = await given([START, { type: 'complete', attempt: 1, result: {} }])
    const { css, linked, policy } = await openPage(at('result', done), NAVIGATION)
    expect([css, linked, policy]).toEqual(['', 2, "'self'"])
  })

  it('are linked on pages that a browser may cache', async () => {
    const { css, linked, policy } = await openPage('/', NAVIGATION)
    expect([css, linked, policy]).toEqual(['', 2, "'self'"])
  })
})
