/** Requests to the example services, through the real processes of `npm start`, with the codes of the demo portal's inbox. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PublicView } from '../../../../core/domain/record.ts'
import { eventually } from '../../../../test/helpers/eventually.ts'
import { type ExampleHalfway, startExamples } from '../start-examples.ts'

const NATIONAL_CODE = '0012345679'

let halfway: ExampleHalfway
beforeAll(async () => {
  halfway = await startExamples()
})
afterAll(() => halfway?.stop())

async function post(path: string, body: object): Promise<PublicView> {
  const response = await fetch(`${halfway.url}/api/local-requests${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(response.status).toBe(202)
  return (await response.json()) as PublicView
}
const submit = (service_slug: string, request_data: object): Promise<PublicView> =>
  post('', { service_slug, request_data })

const reaches = (hash: string, part: Partial<PublicView>): Promise<PublicView> =>
  eventually(
    async () => {
      const view = await (await fetch(`${halfway.url}/api/local-requests/${hash}/status`)).json()
      expect(view).toMatchObject(part)
      return view
    },
    { withinMs: 30_000 },
  )

describe('requests to the examples', () => {
  it.each([
    ['credit-score-rating', { mobile: '09121112233', national_code: NATIONAL_CODE }, 'score'],
    ['account-statement', { mobile: '09121112244', account_number: '1234567890123' }, 'closing_balance'],
  ])(
    '%s asks again after a wrong code and completes with that of the inbox',
    async (slug, data, headline) => {
      const { hash } = await submit(slug, data)
      // The portal rejects one captcha in four: three in a row take another attempt.
      const { attempt } = await reaches(hash, { requires_otp: true })
      const code = await halfway.codeSentTo(data.mobile)
      await post(`/${hash}/otp`, { otp: code === '000000' ? '000001' : '000000' })
      await eventually(
        async () => expect((await reaches(hash, { requires_otp: true })).otp_data?.attempts_left).toBe(2),
        { withinMs: 30_000 },
      )
      await post(`/${hash}/otp`, { otp: code })
      const done = await reaches(hash, { status: 'completed', attempt })
      expect(done.result_data).toMatchObject({ [headline]: expect.any(Number) })
      for (const secret of [code, ...Object.values(data)]) expect(halfway.output()).not.toContain(secret)
    },
  )

  it('link-check reports broken and moved links', async () => {
    const pages: Record<string, string> = {
      '/docs/': '<a href="a.html">a</a> <a href="b.html">b</a> <a href="/docs/missing.html">missing</a>',
      '/docs/a.html': '<a href="./">home</a> <a href="moved.html">moved</a>',
      '/docs/b.html': '<a href="a.html">a</a>',
    }
    const site = createServer((req, res) => {
      const path = req.url ?? '/'
      if (path === '/docs/moved.html') return void res.writeHead(301, { location: '/docs/b.html' }).end()
      const page = pages[path]
      res.writeHead(page === undefined ? 404 : 200, { 'content-type': 'text/html' }).end(page)
    })
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    const address = `http://127.0.0.1:${(site.address() as AddressInfo).port}/docs/`
    const { hash } = await submit('link-check', { url: address })
    const done = await reaches(hash, { status: 'completed' })
    expect(done.result_data).toMatchObject({
      pages_checked: 3,
      broken: [{ url: `${address}missing.html`, status: 404, found_on: address }],
      redirected: [{ url: `${address}moved.html`, to: `${address}b.html` }],
    })
    site.closeAllConnections()
    site.close()
  })
})
