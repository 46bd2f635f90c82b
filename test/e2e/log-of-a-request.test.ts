/** The log of the real processes of `npm start`, at LOG_LEVEL=info. */
import { expect, it } from 'vitest'
import { shortReference } from '../../core/domain/short-reference.ts'
import { eventually } from '../helpers/eventually.ts'
import { startHalfway } from '../helpers/halfway.ts'

const MOBILE = '09121112233'

it('server, workers and bots log a request by one reference and never by its hash, with one line at its end', async () => {
  const halfway = await startHalfway({ LOG_LEVEL: 'info' })
  const post = (path: string, body: object): Promise<Response> =>
    fetch(halfway.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': 'id-of-the-proxy' },
      body: JSON.stringify(body),
    })
  const submitted = await post('/api/local-requests', {
    service_slug: 'credit-score-rating',
    request_data: { mobile: MOBILE, national_code: '0012345679' },
  })
  const { hash, status_url } = (await submitted.json()) as { hash: string; status_url: string }
  const otp = await halfway.codeSentTo(MOBILE)
  await eventually(async () =>
    expect((await post(`/api/local-requests/${hash}/otp`, { otp })).status).toBe(202),
  )
  await eventually(async () => {
    expect(await (await fetch(halfway.url + status_url)).json()).toMatchObject({ status: 'completed' })
  })
  expect(await halfway.stop()).toBe(0)

  const output = halfway.output()
  for (const secret of [hash, hash.slice(4, 20), MOBILE, '0012345679', otp])
    expect(output).not.toContain(secret)
  const about = output.split('\n').filter((line) => line.includes(shortReference(hash)))
  for (const name of ['server', 'workers', 'bots'])
    expect(about.filter((line) => line.includes(`(${name})`)).join('\n'), output).not.toBe('')
  expect(about.find((line) => line.includes('request accepted'))).toContain('id-of-the-proxy')
  const ends = about.filter((line) => line.includes('request ended'))
  expect(ends).toHaveLength(1)
  for (const field of ['queued_ms', 'work_ms', 'waiting_ms', 'total_ms', 'steps_ms', 'attempts'])
    expect(ends[0]).toContain(`"${field}":`)
})
