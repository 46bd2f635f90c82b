/** View-only links: they show a request without its hash, cannot act on it whatever the settings, and can be ended. */
import { createHash } from 'node:crypto'
import { load } from 'cheerio'
import { io, type Socket } from 'socket.io-client'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { progressTo, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { collectLog, type TestServer, useServer } from '../helpers/server.ts'
import { PNG } from '../helpers/typed-result.ts'
import { at, HTML } from './page-browser.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const { log, lines } = collectLog()
const off = await useServer(redis)
const all = await useServer(redis, { settings: { OWNER_CHECK: 'all' }, log })

const TOKEN = 'token-of-the-owner-0123456789-ab'
const OWNER = { Authorization: `Bearer ${TOKEN}` }
const OWNED = { owner_hash: createHash('sha256').update(TOKEN).digest('base64url') }
const SESSION = 'session-of-the-owner-'
const asBrowser = { Accept: HTML }
const DONE: Command = { type: 'complete', attempt: 1, result: { score: 712, photo: PNG, rows: [{ a: 1 }] } }
const api = (hash: string): string => `/api/local-requests/${hash}`

interface Made {
  link: string
  url: string
  status_url: string
  events_url: string
}
async function makeLink(server: TestServer, hash: string): Promise<Made> {
  const { body } = await server.api
    .post(`${api(hash)}/links`)
    .set(OWNER)
    .expect(201)
  return body
}
const given = (server: TestServer, ...commands: Command[]): Promise<string> => server.given(commands, OWNED)

async function watch(server: TestServer, hash: string) {
  const socket: Socket = io(server.address, { transports: ['websocket'], reconnection: false })
  const views: { hash: string; progress: number }[] = []
  const expired: unknown[] = []
  socket.on('request:update', (view) => views.push(view))
  socket.on('request:expired', (event) => expired.push(event))
  const answer = await socket.emitWithAck('request:watch', { hash })
  return { socket, views, expired, answer }
}

describe.each([
  ['off', off],
  ['all', all],
])('with OWNER_CHECK=%s', (_mode, server) => {
  test('a link shows the status, the timeline, the result, its tables and its pages, without the hash', async () => {
    const hash = await given(server, START)
    await server.apply(hash, progressTo(30, `Your page is /progress/${hash}`))
    await server.apply(hash, DONE)
    const { link, url, status_url } = await makeLink(server, hash)
    expect(new URL(url).pathname).toMatch(new RegExp(`^/services/[\\w-]+/result/${link}$`))
    const status = await server.api.get(status_url).expect(200)
    expect(status.body).toMatchObject({ hash: link, status: 'completed', retry_of: null })
    const pagePath = new URL(url).pathname
    const answers = [
      status,
      await server.api.get(`${api(link)}/timeline`).expect(200),
      await server.api.get(`${api(link)}/result`).expect(200),
      await server.api.get(`${api(link)}/result.csv`).expect(200),
      await server.api.get(pagePath).set(asBrowser).expect(200),
      await server.api.get(pagePath.replace('/result/', '/progress/')).set(asBrowser).expect(303),
    ]
    for (const { text, headers } of answers) expect(text + JSON.stringify(headers)).not.toContain(hash)
    await server.api.get(`${pagePath}/images/photo`).expect(200)
  })

  test('a link can do nothing to its request, neither by the API nor by a page', async () => {
    const hash = await given(server, START, REQUIRE_OTP)
    const { link } = await makeLink(server, hash)
    for (const [method, call] of [
      ['post', '/cancel'],
      ['post', '/otp'],
      ['post', '/resend-otp'],
      ['post', '/keep'],
      ['post', '/links'],
      ['delete', '/links'],
      ['delete', `/links/${link}`],
      ['delete', ''],
    ] as const) {
      const { body } = await server.api[method](`${api(link)}${call}`)
        .set(OWNER)
        .send({ otp: '123456' })
      expect(body.code, `${method} ${call}`).toBe('not_owner')
    }
    for (const page of ['otp', 'resend-otp', 'cancel', 'keep', 'delete', 'device'])
      await server.api
        .post(`/services/test-service/${page}/${link}`)
        .type('form')
        .send({ otp: '1' })
        .expect(403)
    await server.api.get(`/services/test-service/cancel/${link}`).set(asBrowser).expect(403)
    const { text } = await server.api.get(`/services/test-service/otp/${link}`).set(asBrowser).redirects(1)
    expect(load(text)('main form')).toHaveLength(0)
    expect(text).not.toContain(hash)
    expect((await server.store.get(hash)).record.status).toBe('otp_required')
  })

  test('a socket and an event stream follow a request by its link, and end soon after the link is ended', async () => {
    const hash = await given(server, START)
    const { link, events_url } = await makeLink(server, hash)
    const other = await makeLink(server, hash)
    const stream = fetch(server.address + events_url).then((res) => res.text())
    const watching = await watch(server, link)
    const staying = await watch(server, other.link)
    expect(watching.answer).toMatchObject({ ok: true, data: { hash: link } })
    await server.apply(hash, progressTo(40))
    await eventually(() => expect(watching.views.at(-1)).toMatchObject({ hash: link, progress: 40 }))
    await server.api
      .delete(`${api(hash)}/links/${link}`)
      .set(OWNER)
      .expect(204)
    await eventually(() => expect(watching.expired).toEqual([{ hash: link }]))
    const text = await stream
    expect(text).toContain(`event: expired\ndata: ${JSON.stringify({ hash: link })}`)
    expect(text).not.toContain(hash)
    const { body } = await server.api.get(`${api(link)}/status`).expect(410)
    expect(body.code).toBe('link_revoked')

    await server.apply(hash, progressTo(60))
    await eventually(() => expect(staying.views.at(-1)).toMatchObject({ progress: 60 }))
    expect(watching.views.map(({ progress }) => progress)).not.toContain(60)
    await server.api
      .delete(`${api(hash)}/links`)
      .set(OWNER)
      .expect(204)
    await eventually(() => expect(staying.expired).toHaveLength(1))
    for (const { socket } of [watching, staying]) socket.close()
  })
})

test('the result page makes a link on demand, which a stranger opens, and ends all of them', async () => {
  const hash = await all.given([START, DONE], { session_id: SESSION })
  const owner = { Cookie: all.sessionCookie(SESSION), ...asBrowser }
  const page = (name: string): string => at(name, hash)
  const asked = await all.api.post(page('share')).set(owner).expect(303)
  const shown = load(
    (
      await all.api
        .get(asked.headers.location as string)
        .set(owner)
        .expect(200)
    ).text,
  )
  const href = new URL(shown('#share-link').attr('href') as string)
  expect(shown('#share-link').text()).toBe(href.href)
  expect(shown('form.share')).toHaveLength(0)
  const stranger = await all.api.get(href.pathname).set(asBrowser).expect(200)
  expect(stranger.text).toContain('712')
  expect(stranger.text).not.toContain(hash)
  expect(load(stranger.text)('main form[action]')).toHaveLength(0)
  expect(load(stranger.text)('main').text()).toContain('Someone shared this page with you')
  expect(load(stranger.text)('main').text()).not.toMatch(/Your result|what you typed/)

  // Opened again without the link: others still see it, and it can be ended.
  const again = load((await all.api.get(page('result')).set(owner).expect(200)).text)
  expect(again('section.share').text()).toContain('This page is shared')
  expect(again('#share-link')).toHaveLength(0)
  const action = again('section.share form').attr('action') as string
  expect(shown('section.share form').attr('action')).toBe(action)
  const ended = await all.api.post(action).set(owner).expect(303)
  const after = load(
    (
      await all.api
        .get(ended.headers.location as string)
        .set(owner)
        .expect(200)
    ).text,
  )
  expect(after('.notice.share').text()).toContain('Sharing has stopped')
  await all.api.get(href.pathname).set(asBrowser).expect(410)
  expect(load((await all.api.get(page('result')).set(owner)).text)('.share:not(form)')).toHaveLength(0)
  // A token of another request, or one that was made up, is no link of this page.
  const { text } = await all.api
    .get(`${page('result')}?shared=view_${'A'.repeat(78)}`)
    .set(owner)
    .expect(200)
  expect(load(text)('#share-link')).toHaveLength(0)
  for (const name of ['share', 'unshare']) {
    await all.api.post(page(name)).set(asBrowser).expect(403)
    await all.api.get(page(name)).set(owner).expect(303)
  }
})

test('only who may act makes and ends links', async () => {
  const hash = await given(all, START)
  for (const call of [all.api.post(`${api(hash)}/links`), all.api.delete(`${api(hash)}/links`)])
    expect((await call.expect(403)).body.code).toBe('not_owner')
})

test('a token that was made up, or of another installation, is a link that does not work', async () => {
  const elsewhere = await useServer(await useRedis())
  const { link } = await makeLink(elsewhere, await elsewhere.given([START]))
  for (const token of [link, `view_${'A'.repeat(78)}`]) {
    const { body } = await off.api.get(`${api(token)}/status`).expect(410)
    expect(body.code).toBe('link_revoked')
    expect((await watch(off, token)).answer).toMatchObject({ ok: false, problem: { code: 'link_revoked' } })
  }
  const page = await off.api.get(`/services/test-service/progress/${link}`).set(asBrowser).expect(410)
  const $ = load(page.text)
  expect($('h1').text()).toBe('This link no longer works')
  // The result of another person is not to be had from the form.
  expect($('main a').text()).toBe('All services')
})

test('a request has at most 20 links, and an unknown one cannot be ended', async () => {
  const hash = await off.given([START])
  for (let i = 0; i < 20; i++) await makeLink(off, hash)
  const { body } = await off.api.post(`${api(hash)}/links`).expect(422)
  expect(body).toMatchObject({
    code: 'validation_failed',
    detail: expect.stringContaining('at most 20 links'),
  })
  await off.api.delete(`${api(hash)}/links/view_unknown`).expect(404)
})

test('Redis and the log have neither a token nor, beside the record, the hash; a deleted request has no link', async () => {
  const hash = await given(all, START, DONE)
  const { link } = await makeLink(all, hash)
  await all.api.get(`${api(link)}/result`).expect(200)
  const name = client.names.viewLinks(hash)
  expect(await client.pttl(name)).toBeGreaterThan(await client.pttl(keys.record(hash)))
  const contents = JSON.stringify(await redisContents(client))
  expect(contents).not.toContain(link)
  expect(name).not.toContain(hash)
  expect(lines.join('')).not.toContain(link)
  await all.api.delete(api(hash)).set(OWNER).expect(204)
  expect(await client.exists(name)).toBe(0)
  await all.api.get(`${api(link)}/status`).expect(410)
})
