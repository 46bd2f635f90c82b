/** The images of a result have an address of the request. */
import { expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { aHash, START, TTL_SECONDS } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { LARGE_JPEG, LARGEST_JPEG, PNG } from '../helpers/typed-result.ts'
import { at, openBrowser } from './page-browser.ts'

const testRedis = await useRedis()
const { address, given } = await useServer(testRedis)
const browser = openBrowser(address)

const SVG = `data:image/svg+xml;base64,${Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>').toString('base64')}`
const bytesOf = (dataUrl: string): Buffer => Buffer.from(dataUrl.split(',')[1] ?? '', 'base64')
const imageOf = (hash: string, path: string) => `${at('result', hash)}/images/${path}`
const requestWith = (result: unknown) => {
  const complete: Command = { type: 'complete', attempt: 1, result }
  return given([START, complete])
}

test('an image is sent with its type, for this viewer only and never as another type', async () => {
  const hash = await requestWith({ 'photo 1/2': PNG, large: LARGEST_JPEG, rows: [{ a: 1 }, { stamp: PNG }] })
  for (const [path, type, dataUrl] of [
    ['photo%201%2F2', 'image/png', PNG],
    ['large', 'image/jpeg', LARGEST_JPEG],
    ['rows/1/stamp', 'image/png', PNG],
  ] as const) {
    const { body, headers } = await browser.get(imageOf(hash, path)).buffer(true).expect(200)
    expect(body.equals(bytesOf(dataUrl))).toBe(true)
    expect(headers).toMatchObject({
      'content-type': type,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-robots-tag': 'noindex, nofollow',
      'cross-origin-resource-policy': 'same-origin',
    })
    await browser.head(imageOf(hash, path)).expect(200).expect('Content-Type', type)
  }
})

test('what is no image, or no part of the result, has no address', async () => {
  const fake = `data:image/png;base64,${Buffer.from('<script>').toString('base64')}`
  const hash = await requestWith({ score: 712, text: 'a', svg: SVG, large: LARGE_JPEG, fake, rows: [] })
  for (const path of [
    'score',
    'text',
    'svg',
    'large',
    'fake',
    'rows/0',
    'rows/length',
    'constructor',
    'none',
    'text/0',
    'a//b',
  ])
    await browser
      .get(imageOf(hash, path))
      .expect(404)
      .expect('Content-Type', /^text\/html/)
  await browser.get(imageOf(await given([START]), 'photo')).expect(404)
  await browser.get(imageOf(aHash(), 'photo')).expect(404)
  await browser.get(imageOf(aHash(Date.now() - TTL_SECONDS * 1000), 'photo')).expect(410)
})
