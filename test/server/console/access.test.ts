/** Who gets into the operators' console, and what is written about it. */
import { load } from 'cheerio'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../core/runtime/config.ts'
import { ADMIN_TOKEN, useConsole } from '../../helpers/console.ts'
import { useRedis } from '../../helpers/redis.ts'
import { useServer } from '../../helpers/server.ts'

const redis = await useRedis()
const { api, signIn, open, send, audit, lines } = await useConsole(redis)
const cookie = await signIn()
const page = (path: string) => api.get(path).set('Accept', 'text/html')

describe('a console that is not switched on', () => {
  test('every address below /admin is the usual 404', async () => {
    const off = await useServer(redis)
    for (const path of ['/admin', '/admin/sign-in', '/admin/requests', '/admin/events'])
      await off.api.get(path).set('Accept', 'text/html').expect(404)
    await off.api.post('/admin/cancel').expect(404)
  })
})

describe('signing in with the token', () => {
  test('a page leads to the sign-in form, and a program is refused', async () => {
    expect((await page('/admin/requests').expect(303)).headers.location).toBe('/admin/sign-in')
    const { body } = await api.get('/admin/requests').set('Accept', 'application/json').expect(401)
    expect(body).toMatchObject({ code: 'unauthorized' })
    await api.post('/admin/cancel').expect(401)
  })

  test('the token opens the console for twelve hours, by a cookie that only /admin gets', async () => {
    const answer = await page('/admin/sign-in').expect(200)
    expect(answer.text).toContain('type="password"')
    const { headers } = await api
      .post('/admin/sign-in')
      .set('X-Forwarded-Proto', 'https')
      .type('form')
      .send({ token: ADMIN_TOKEN })
      .expect(303)
    const [set = ''] = headers['set-cookie'] as unknown as string[]
    expect(set).toMatch(
      /^halfway_admin=[\w.-]+; Max-Age=43200; Path=\/admin; Expires=.*; HttpOnly; Secure; SameSite=Strict$/,
    )
    expect(set).not.toContain(ADMIN_TOKEN)
    const $ = await open('/admin', set.split(';')[0] as string)
    expect($('h1').text()).toBe('Now')
    expect(audit()).toContainEqual(
      expect.objectContaining({ who: 'token', action: 'sign_in', outcome: 'done' }),
    )
  })

  test('a wrong token is refused and logged without it', async () => {
    const wrong = 'wrong-token-of-somebody'
    const { headers } = await api
      .post('/admin/sign-in')
      .set('Accept', 'text/html')
      .type('form')
      .send({ token: wrong })
    expect(headers.location).toBe('/admin/sign-in?wrong')
    expect(headers['set-cookie']).toBeUndefined()
    expect((await page('/admin/sign-in?wrong')).text).toContain('This is not the token.')
    expect(audit().at(-1)).toMatchObject({
      action: 'sign_in',
      outcome: 'refused',
      reason: 'unauthorized',
      level: 30,
    })
    expect(lines.join('')).not.toContain(wrong)
  })

  test('more than ten sign-ins a minute of one address are refused', async () => {
    const attempt = () =>
      api.post('/admin/sign-in').set('X-Forwarded-For', '203.0.113.7').type('form').send({ token: 'x' })
    for (let i = 0; i < 10; i++) await attempt().expect(401)
    await attempt().expect(429)
  })

  test('a changed cookie is no session, and another token ends all sessions', async () => {
    for (const forged of [
      `${cookie}x`,
      cookie.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
      'halfway_admin=a.b.c',
    ])
      await page('/admin').set('Cookie', forged).expect(303)
    const other = await useConsole(redis, { ADMIN_TOKEN: 'another-9Xq2_ZrB7xLm4PdY-kT9' })
    await other.api.get('/admin').set('Cookie', cookie).set('Accept', 'text/html').expect(303)
  })

  test('a cookie of the name that another site of the domain has set keeps no operator out', async () => {
    const tossed = `halfway_admin=${Date.now().toString(36)}.${'a'.repeat(21)}.${'a'.repeat(43)}`
    for (const both of [`${tossed}; ${cookie}`, `${cookie}; ${tossed}`])
      await page('/admin').set('Cookie', both).expect(200)
    await page('/admin').set('Cookie', tossed).expect(303)
  })

  test('signing out ends the session, so that a copy of its cookie opens nothing, and no other session', async () => {
    const [leaving, staying] = [await signIn(), await signIn()]
    const { location, status } = await send('/admin', leaving, '/admin/sign-out', {})
    expect([status, location]).toEqual([303, '/admin/sign-in'])
    expect(audit().at(-1)).toMatchObject({ who: 'token', action: 'sign_out' })
    await page('/admin').set('Cookie', leaving).expect(303)
    await page('/admin').set('Cookie', staying).expect(200)
  })
})

describe('a form of the console', () => {
  test('a form without the token of its page is refused, and so is a page of another site', async () => {
    const post = () => api.post('/admin/cancel').set('Cookie', cookie).type('form')
    await post().send({ request: '7KQ2M4XR' }).expect(403)
    await post()
      .send({ request: '7KQ2M4XR', form_token: 'x'.repeat(43) })
      .expect(403)
    const form_token = (await open('/admin', cookie))('[name="form_token"]').val()
    await post().send({ form_token }).expect(200)
    await post().set('Origin', 'https://evil.example').send({ form_token }).expect(403)
  })

  test('a page is kept by no cache, found by no search engine, and has the policy of all pages', async () => {
    const { headers } = await page('/admin').set('Cookie', cookie).expect(200)
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-robots-tag': 'noindex, nofollow' })
    expect(headers['content-security-policy']).toBe((await page('/')).headers['content-security-policy'])
  })

  test('an address that the console does not have is a 404 for those who are signed in', async () => {
    for (const path of ['/admin/nothing', '/admin/queues/none', '/admin/requests/7KQ2M4XR'])
      await page(path).set('Cookie', cookie).expect(404)
  })
})

describe('signing in by a proxy', () => {
  test('the header of a proxy that TRUST_PROXY names says who is signed in', async () => {
    const proxied = await useConsole(redis, { ADMIN_HEADER: 'X-Forwarded-User', TRUST_PROXY: 'loopback' })
    const call = (path: string) => proxied.api.get(path).set('Accept', 'text/html')
    await call('/admin').expect(401)
    await call('/admin/sign-in').set('X-Forwarded-User', 'maryam').expect(404)
    const { text } = await call('/admin').set('X-Forwarded-User', 'maryam').expect(200)
    expect(text).toContain('Signed in as maryam')
    expect(text).not.toContain('Sign out')
    await proxied.given()
    const { text: list } = await call('/admin/requests').set('X-Forwarded-User', 'maryam')
    const form_token = load(list)('[name="form_token"]').last().val()
    expect(form_token).toBeTruthy()
    const post = (who: string) =>
      proxied.api.post('/admin/cancel').set('X-Forwarded-User', who).type('form').send({ form_token })
    await post('another').expect(403)
    await post('maryam').expect(200)
  })

  test('the header of any other caller is not believed', async () => {
    const proxied = await useConsole(redis, { ADMIN_HEADER: 'X-Forwarded-User', TRUST_PROXY: '10.0.0.1' })
    await proxied.api.get('/admin').set('X-Forwarded-User', 'maryam').expect(401)
  })
})

describe('the settings of the console', () => {
  const errorOf = (settings: Record<string, string>): string => {
    try {
      loadConfig(settings)
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }

  test('a weak ADMIN_TOKEN and an ADMIN_HEADER that anyone could send are refused', () => {
    expect(errorOf({ ADMIN_TOKEN: 'short' })).toContain('ADMIN_TOKEN: must have at least 16 characters')
    expect(errorOf({ ADMIN_TOKEN: 'change-me-change-me' })).toContain('ADMIN_TOKEN: is an example')
    for (const TRUST_PROXY of ['0', '1'])
      expect(errorOf({ ADMIN_HEADER: 'X-Forwarded-User', TRUST_PROXY })).toContain(
        'ADMIN_HEADER: needs the addresses',
      )
    expect(errorOf({ ADMIN_TOKEN, ADMIN_HEADER: 'X-User', TRUST_PROXY: 'loopback' })).toContain('not both')
    expect(errorOf({ ADMIN_HEADER: 'X User', TRUST_PROXY: 'loopback' })).toContain('the name of a header')
  })
})
