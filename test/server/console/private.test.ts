/** What the operators' console never shows: anything private of a request, wherever a bot or another program put it. */
import { expect, test } from 'vitest'
import { shortReference } from '../../../core/domain/short-reference.ts'
import { useConsole } from '../../helpers/console.ts'
import { eventually } from '../../helpers/eventually.ts'
import { keys } from '../../helpers/keys.ts'
import { aRecord, PRIVATE, REQUIRE_OTP, START } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'
import { creditScoreRating } from '../../helpers/services.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const server = await useConsole(redis)
const cookie = await server.signIn()

const SECRET = 'topsecret7391'
const text = (where: string): string => `${SECRET} ${where}`
const SERVICE = {
  service_slug: 'credit-score-rating',
  queue: creditScoreRating.queue.name,
  request_data: { national_code: text('sent') },
}

/** Requests in several states, with a secret in every text. */
async function givenSecrets(): Promise<string[]> {
  const progress = {
    type: 'progress', attempt: 1, progress: 40, step: text('step'), message: text('message'),
    message_key: 'code_sent', message_params: { sent_to: text('parameter') },
  } as const // biome-ignore format: a list
  const error = { code: text('code'), message: text('error'), retryable: false }
  const start = { ...START, bot: text('bot') }
  const { otp } = REQUIRE_OTP as { otp: object }
  const asked = {
    ...REQUIRE_OTP,
    otp: { ...otp, sent_to: text('phone'), message: text('question') },
  }
  const hashes = await Promise.all([0, 1, 2, 3, 4].map(() => server.given([], SERVICE)))
  for (const hash of hashes) {
    await server.apply(hash, start)
    await server.apply(hash, progress)
  }
  const [asking = '', failing = '', done = '', retrying = ''] = hashes
  await server.apply(asking, asked as typeof REQUIRE_OTP)
  await server.apply(failing, { type: 'fail', attempt: 1, error })
  await server.apply(done, {
    type: 'complete',
    attempt: 1,
    result: { secret: SECRET },
    message: text('done'),
  })
  await server.apply(retrying, { type: 'retry', attempt: 1, nextRetryAt: Date.now() + 60_000, error })
  const foreign = aRecord({ ...SERVICE, service_slug: text('service'), step: text('step') })
  await server.store.create(foreign)
  await client.set(
    keys.record(foreign.hash),
    JSON.stringify({ ...foreign, bot: text('bot'), more: SECRET }),
    'EX',
    600,
  )
  return [...hashes, foreign.hash]
}

function expectNothingPrivate(html: string, hashes: readonly string[]): void {
  // In any case: an identifier is shown as words.
  for (const secret of [SECRET, ...Object.values(PRIVATE), ...hashes])
    expect(html.toLowerCase()).not.toContain(secret.toLowerCase())
}

test('no page, no stream and no audit line has anything private of a request, nor its hash', async () => {
  const hashes = await givenSecrets()
  const details = hashes.map((hash) => `/admin/requests/${shortReference(hash)}`)
  const pages = ['/admin', '/admin/requests', '/admin/failed', '/admin/queues', ...details]
  for (const path of pages) {
    const { text: html } = await server.api
      .get(path)
      .set('Cookie', cookie)
      .set('Accept', 'text/html')
      .expect(200)
    expectNothingPrivate(html, hashes)
  }
  const stop = new AbortController()
  const response = await fetch(
    `${server.address}/admin/events?page=${encodeURIComponent(details[0] as string)}`,
    {
      headers: { Cookie: cookie },
      signal: stop.signal,
    },
  )
  let received = ''
  const reading = (async () => {
    for await (const chunk of response.body ?? []) received += Buffer.from(chunk).toString()
  })().catch(() => {})
  const { text: answer } = await server.send('/admin/requests', cookie, '/admin/cancel', {
    request: hashes.map(shortReference),
  })
  expectNothingPrivate(answer, hashes)
  await eventually(() => expect(received).toContain('event: changed'))
  stop.abort()
  await reading
  expectNothingPrivate(received, hashes)
  expectNothingPrivate(JSON.stringify(server.audit()), hashes)
})
