import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from 'cheerio'
import { expect, inject, it } from 'vitest'
import { START } from '../helpers/record.ts'
import { useFolder, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { at, HTML } from './page-browser.ts'

const FOR_EVER = 'public, max-age=31536000, immutable'

const assets = useFolder()
cpSync(inject('assets'), assets, { recursive: true })
// A file of the previous build.
writeFileSync(join(assets, 'style.00000000aa.css'), 'a{}')
const { address, given } = await useServer(await useRedis(), { assets })

async function get(path: string, headers: Record<string, string> = {}) {
  const answer = await fetch(address + path, { headers: { Accept: HTML, ...headers } })
  return {
    status: answer.status,
    caching: answer.headers.get('cache-control'),
    etag: answer.headers.get('etag'),
    sharing: answer.headers.get('access-control-allow-origin'),
    body: await answer.text(),
  }
}

async function loadedBy(path: string): Promise<string[]> {
  const $ = load((await get(path)).body)
  return $('link[rel=stylesheet], link[rel=preload], script[src]')
    .toArray()
    .map((element) => $(element).attr('href') ?? $(element).attr('src') ?? '')
}

it('pages load scripts, style and font under hashed names, which browsers cache as immutable, and request pages no font before the rest', async () => {
  const hash = await given([START])
  const addresses = [
    ...(await loadedBy('/services/link-check?lang=fa')),
    ...(await loadedBy(`${at('progress', hash)}?lang=fa`)),
  ]
  expect(addresses.map((one) => one.replace(/[0-9a-f]{10}/, '#'))).toEqual([
    '/assets/vazirmatn.#.woff2',
    '/assets/form.#.js',
    '/assets/style.#.css',
    '/assets/progress.#.js',
    '/assets/style.#.css',
  ])
  for (const one of addresses) {
    expect([one, await get(one)]).toMatchObject([one, { status: 200, caching: FOR_EVER, sharing: '*' }])
    const packed = await fetch(address + one, { headers: { 'Accept-Encoding': 'br' } })
    expect([one, packed.headers.get('content-encoding')]).toEqual([one, one.endsWith('.woff2') ? null : 'br'])
  }
})

it('the style sheet loads the same font file that pages preload', async () => {
  const [font = '', , style = ''] = await loadedBy('/services/link-check?lang=fa')
  expect((await get(style)).body).toContain(`url(./${font.replace('/assets/', '')})`)
})

it('unhashed asset names are revalidated each time and answer 304 when unchanged', async () => {
  for (const name of [
    'halfway-progress.js',
    'style.css',
    'vazirmatn.woff2',
    'icon.svg',
    'icon-completed.svg',
  ]) {
    const { status, caching, etag } = await get(`/assets/${name}`)
    expect([name, status, caching]).toEqual([name, 200, 'no-cache'])
    expect((await get(`/assets/${name}`, { 'If-None-Match': etag ?? '' })).status).toBe(304)
  }
})

it('the script of the embedded element loads the style and font of its own build', async () => {
  const { body } = await get('/assets/halfway-progress.js')
  const names = JSON.parse(readFileSync(join(assets, 'manifest.json'), 'utf8'))
  for (const name of ['style.css', 'vazirmatn.woff2']) expect(body).toContain(names[name])
  expect(body).not.toMatch(/assets\/(style\.css|vazirmatn\.woff2)/)
})

it('a hashed name of the previous build is served unchanged while its file exists', async () => {
  expect(await get('/assets/style.00000000aa.css')).toMatchObject({ caching: FOR_EVER, body: 'a{}' })
})

it('a hashed name of another version is tried three times, for a server of that version, and then gets the current file, uncached', async () => {
  const tries: (string | null)[] = []
  for (let path: string | null = '/assets/style.00000000bb.css'; path !== null; ) {
    const answer: Response = await fetch(address + path, { redirect: 'manual' })
    await answer.body?.cancel()
    expect(answer.headers.get('cache-control')).toBe('no-cache')
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    path = answer.headers.get('location')
    tries.push(path)
  }
  expect(tries).toEqual([...[1, 2, 3].map((n) => `/assets/style.00000000bb.css?redirects=${n}`), null])
  const current = await get('/assets/style.css')
  const old = await get('/assets/style.00000000bb.css')
  expect(old).toEqual(current)
  expect((await get('/assets/no-such-file.00000000bb.css')).status).toBe(404)
})
