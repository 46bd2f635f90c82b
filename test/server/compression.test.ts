import { expect, inject, it } from 'vitest'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { at, HTML } from './page-browser.ts'

const { address, given } = await useServer(await useRedis(), { assets: inject('assets') })

async function encodingOf(path: string, accepted = 'gzip, deflate, br') {
  const { headers } = await fetch(address + path, {
    headers: { 'Accept-Encoding': accepted, Accept: HTML },
    redirect: 'manual',
  })
  return { encoding: headers.get('content-encoding'), vary: headers.get('vary') ?? '', headers }
}

it('scripts, styles and icons are served in the compressed form that the build wrote', async () => {
  for (const name of ['progress.js', 'halfway-progress.js', 'style.css', 'icon.svg']) {
    const { encoding, vary, headers } = await encodingOf(`/assets/${name}`)
    expect([name, encoding]).toEqual([name, 'br'])
    expect(vary).toContain('Accept-Encoding')
    expect(headers.get('content-type')).toMatch(/javascript|css|svg/)
    expect((await encodingOf(`/assets/${name}`, 'gzip')).encoding).toBe('gzip')
    expect((await encodingOf(`/assets/${name}`, 'identity')).encoding).toBeNull()
  }
  expect((await encodingOf('/assets/vazirmatn.woff2')).encoding).toBeNull()
})

it('pages and lists without data of a request are compressed', async () => {
  for (const path of ['/', '/services/credit-score-rating', '/api/services']) {
    const { encoding, vary } = await encodingOf(path)
    expect([path, encoding === null, vary.includes('Accept-Encoding')]).toEqual([path, false, true])
  }
})

it('a page of a request is compressed, unless its address repeats text in the page', async () => {
  const page = at('progress', await given([START]))
  expect((await encodingOf(page)).encoding).toBe('br')
  expect((await encodingOf(page, 'gzip')).encoding).toBe('gzip')
  expect((await encodingOf(`${page}?lang=en`)).encoding).toBeNull()
  expect((await encodingOf(`${page}?chosen=by-a-link`)).encoding).toBeNull()
})

it('status and event stream of a request are not compressed', async () => {
  const api = `/api/local-requests/${await given([START])}`
  for (const path of [`${api}/status`, `${api}/events`])
    expect([path, (await encodingOf(path)).encoding]).toEqual([path, null])
})
