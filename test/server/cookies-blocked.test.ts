/** A browser that keeps no cookies, where only the session that sends a form may see what becomes of it. */
import { load } from 'cheerio'
import { describe, expect, it } from 'vitest'
import { keys } from '../helpers/names.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { HTML, openBrowser, textOf } from './page-browser.ts'

const FORM = '/services/credit-score-rating'
const FIELDS = CREDIT_SCORE.request_data

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const guarded = await useServer(testRedis, { settings: { OWNER_CHECK: 'actions' } })
const open = await useServer(testRedis)

/** Without cookies; follows redirects as a browser does. */
const ask = (address: string, headers: Record<string, string>, init: RequestInit = {}) =>
  fetch(address + FORM, { headers: { Accept: HTML, ...headers }, ...init })
const send = (address: string) =>
  ask(address, { Origin: address }, { method: 'POST', body: new URLSearchParams(FIELDS) })

describe('with OWNER_CHECK, a browser without cookies', () => {
  it('is told so on the form, once another page of ours was open', async () => {
    const fromOurs = await ask(guarded.address, { Referer: `${guarded.address}/` })
    const $ = load(await fromOurs.text())
    expect(textOf($, '.error-summary')).toContain('keeps no cookies')
    expect(textOf($, '.error-summary')).not.toContain('What you typed')
    for (const Referer of ['', 'https://elsewhere.example/', 'x'])
      expect(load(await (await ask(guarded.address, { Referer })).text())('.error-summary')).toHaveLength(0)
  })

  it('has its form refused before anything is done, with what was typed', async () => {
    const before = await redis.llen(keys.list)
    const answer = await send(guarded.address)
    expect(answer.status).toBe(403)
    const $ = load(await answer.text())
    expect(textOf($, '.error-summary')).toContain('keeps no cookies')
    expect($('#field-mobile').val()).toBe(FIELDS.mobile)
    expect(await redis.llen(keys.list)).toBe(before)
  })

  it('can send the form once it keeps them', async () => {
    const browser = openBrowser(guarded.address)
    await browser.refused(FORM, FIELDS).expect(403)
    await browser.post(FORM, FIELDS).expect(303)
  })
})

it('without OWNER_CHECK a form needs no cookies', async () => {
  const answer = await send(open.address)
  expect(answer.url).toContain('/progress/req_')
})
