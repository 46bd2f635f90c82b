import { expect, it } from 'vitest'
import { aHash, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { at, openBrowser } from './page-browser.ts'

const { address, given } = await useServer(await useRedis())
const browser = openBrowser(address)
const MARKS = ['.', ')', ',', ').', '»', '\u200f', '\u202c.', '”', '،', '>', '%', "'"]

it('an address with a trailing full stop, bracket or direction mark redirects to its page', async () => {
  const hash = await given([START])
  for (const mark of MARKS) {
    for (const page of [at('progress', hash), '/services/credit-score-rating']) {
      const path = browser.get(`${page + encodeURIComponent(mark)}?lang=fa`)
      await path.expect(303).expect('Location', `${page}?lang=fa`).expect('Cache-Control', 'no-store')
    }
  }
})

it('an address that is unknown without its trailing marks too is 404', async () => {
  for (const path of [
    '/services/none.',
    '/services/.',
    '/services/%2e%2e.',
    `/services/x/progress/${aHash()}a.b`,
    '/services/x/progress/req_short.',
    '/services/x/progress/%ff.',
    `//evil.example/${aHash()}.`,
    `/services/x/y/z/${aHash()}.`,
  ]) {
    const { status, headers } = await browser.get(path)
    expect([path, status >= 400, headers.location]).toEqual([path, true, undefined])
  }
})
