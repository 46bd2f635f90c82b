/** Requests of users and programs, through the real processes of `npm start`. */
import { load } from 'cheerio'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { openRedis, type RedisClient, type RedisConnections } from '../../core/redis/connect.ts'
import { createLog } from '../../core/runtime/log.ts'
import { eventually } from '../helpers/eventually.ts'
import { type Halfway, startHalfway } from '../helpers/halfway.ts'
import { usePushService } from '../helpers/push-service.ts'
import { redisContents } from '../helpers/redis-contents.ts'

const SUBMITTER = { mobile: '09121112233', national_code: '0012345679' }

const pushService = await usePushService()
let halfway: Halfway
let connections: RedisConnections
let redis: RedisClient
let socket: Socket

beforeAll(async () => {
  halfway = await startHalfway({ PUSH_HOSTS: pushService.origin })
  connections = await openRedis({ kind: 'single', url: halfway.redis.url }, createLog('test', 'silent'))
  redis = await connections.connect('patient')
  socket = io(halfway.url, { transports: ['websocket'] })
})
afterAll(async () => {
  socket.disconnect()
  await connections.stop()
  await halfway.stop()
})

async function submit(service_slug: string, request_data: object): Promise<PublicView> {
  const response = await fetch(`${halfway.url}/api/local-requests`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ service_slug, request_data }),
  })
  expect(response.status).toBe(202)
  return (await response.json()) as PublicView
}

const post = (path: string, body: object): Promise<Response> =>
  fetch(`${halfway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

/** Watches by socket; `seen` grows with every state until the request is final. */
async function watch(
  hash: string,
): Promise<{ seen: PublicView[]; until: (claim: (view: PublicView) => boolean) => Promise<PublicView> }> {
  const seen: PublicView[] = []
  const checks = new Set<() => void>()
  socket.on('request:update', (view: PublicView) => {
    if (view.hash !== hash) return
    seen.push(view)
    for (const check of checks) check()
  })
  const response = await socket.emitWithAck('request:watch', { hash })
  expect(response.ok).toBe(true)
  seen.unshift(response.data)
  return {
    seen,
    until: (claim) =>
      new Promise((resolve) => {
        const check = (): void => {
          const found = seen.find(claim)
          if (!found) return
          checks.delete(check)
          resolve(found)
        }
        checks.add(check)
        check()
      }),
  }
}

const isFinal = (view: PublicView): boolean => view.is_completed || view.is_failed || view.is_cancelled

describe('a credit score request', () => {
  it('a credit score request completes with the code that was sent, and stores the code nowhere', async () => {
    const { hash } = await submit('credit-score-rating', SUBMITTER)
    const { seen, until } = await watch(hash)

    const prompted = await until((view) => view.requires_otp)
    expect(prompted.otp_data).toMatchObject({
      length: 6,
      charset: 'digits',
      sent_to: '0912***2233',
      attempts_left: 3,
    })
    const code = await halfway.codeSentTo(SUBMITTER.mobile)

    expect((await post(`/api/local-requests/${hash}/otp`, { otp: '12' })).status).toBe(422)
    expect((await post(`/api/local-requests/${hash}/otp`, { otp: code })).status).toBe(202)
    expect((await post(`/api/local-requests/${hash}/otp`, { otp: code })).status).toBe(409)

    const done = await until(isFinal)
    expect(done).toMatchObject({ status: 'completed', progress: 100, attempt: 1, error_data: null })
    expect(done.result_data).toMatchObject({
      score: expect.any(Number),
      rating: expect.stringMatching(/^[A-E]$/),
    })
    expect(done.steps.map(({ state }) => state)).toEqual(Array(6).fill('done'))

    const versions = seen.map((view) => view.version)
    expect(versions).toEqual([...versions].sort((a, b) => a - b))
    const progress = seen.map((view) => view.progress)
    expect(progress).toEqual([...progress].sort((a, b) => a - b))

    const record = JSON.parse((await redis.get(`local_request:${hash}`)) as string)
    expect(record).toMatchObject({ hash, status: 'completed', request_data: SUBMITTER })
    expect(await redisContents(redis)).not.toContain(code)
    expect(halfway.output()).not.toContain(code)
    expect(halfway.output()).not.toContain(SUBMITTER.national_code)
    expect(halfway.output()).not.toContain(SUBMITTER.mobile)
  })

  it('a credit score request completes by forms alone, without script', async () => {
    const form = `${halfway.url}/services/credit-score-rating`
    const page = await fetch(form)
    const cookie = page.headers.get('set-cookie')?.split(';')[0] ?? ''
    const key = load(await page.text())('input[name=_key]').attr('value') ?? ''
    const mobile = '09124445566'
    const send = (url: string, fields: Record<string, string>): Promise<Response> =>
      fetch(url, {
        method: 'POST',
        redirect: 'manual',
        headers: { cookie },
        body: new URLSearchParams(fields),
      })
    const fields = { _key: key, mobile: '۰۹۱۲ ۴۴۴ ۵۵۶۶', national_code: SUBMITTER.national_code }

    const first = await send(form, fields)
    expect(first.status).toBe(303)
    const location = first.headers.get('location') ?? ''
    expect((await send(form, fields)).headers.get('location')).toBe(location)

    const show = async (): Promise<string> => (await fetch(`${halfway.url}${location}`)).text()
    const otpForm = await eventually(
      async () => {
        const found = load(await show())('form:has(input[name=otp])').attr('action')
        if (!found) throw new Error('no code prompt yet')
        return found
      },
      { withinMs: 30_000, everyMs: 100 },
    )
    expect((await send(`${halfway.url}${otpForm}`, { otp: await halfway.codeSentTo(mobile) })).status).toBe(
      303,
    )
    await eventually(async () => expect(await show()).toContain('Your result is ready'), {
      withinMs: 30_000,
      everyMs: 100,
    })
  })

  it('a wrong code prompts again, and the third one fails the request', async () => {
    const { hash } = await submit('credit-score-rating', { ...SUBMITTER, mobile: '09123334455' })
    const { until } = await watch(hash)
    for (const left of [3, 2, 1]) {
      await until((view) => view.otp_data?.attempts_left === left)
      const right = await halfway.codeSentTo('09123334455')
      const wrong = right === '000000' ? '111111' : '000000'
      expect((await post(`/api/local-requests/${hash}/otp`, { otp: wrong })).status).toBe(202)
    }
    const failed = await until(isFinal)
    expect(failed).toMatchObject({
      status: 'failed',
      error_data: { code: 'otp_attempts_exhausted', message: 'The code was wrong too many times' },
    })
  })

  it('a refused resend and the view give the same waiting time', async () => {
    const { hash } = await submit('credit-score-rating', { ...SUBMITTER, mobile: '09126667788' })
    const { until } = await watch(hash)
    const prompted = await until((view) => view.requires_otp)
    const refused = await post(`/api/local-requests/${hash}/resend-otp`, {})
    const countdown = (Date.parse(prompted.otp_data?.resend_available_at ?? '') - Date.now()) / 1000
    expect(refused.status).toBe(429)
    expect(Math.abs(Number(refused.headers.get('retry-after')) - Math.ceil(countdown))).toBeLessThanOrEqual(1)
    await post(`/api/local-requests/${hash}/cancel`, {})
  })

  it('a cancelled request stops at the bot', async () => {
    const { hash } = await submit('credit-score-rating', { ...SUBMITTER, mobile: '09127778899' })
    const { until } = await watch(hash)
    await until((view) => view.requires_otp)
    expect((await post(`/api/local-requests/${hash}/cancel`, {})).status).toBe(200)
    expect(await until(isFinal)).toMatchObject({ status: 'cancelled', is_cancelled: true })
    await eventually(async () => {
      const health = (await (await fetch(`${halfway.botUrl}/health`)).json()) as { running: number }
      expect(health.running).toBe(0)
    })
    expect((await post(`/api/local-requests/${hash}/cancel`, {})).status).toBe(409)
  })
})

describe('requests of other kinds', () => {
  it('a request whose bot ends its call while it waits for the code completes', async () => {
    const mobile = '09128889900'
    const { hash } = await submit('account-statement', { account_number: '1234567890123', mobile })
    const { until } = await watch(hash)
    await until((view) => view.requires_otp)
    const code = await halfway.codeSentTo(mobile)
    expect((await post(`/api/local-requests/${hash}/otp`, { otp: code })).status).toBe(202)
    expect(await until(isFinal)).toMatchObject({
      status: 'completed',
      result_data: { closing_balance: expect.any(Number), lines: [expect.anything()] },
    })
  })

  it('a request shows each of its concurrent tasks as a substep', async () => {
    const { hash } = await submit('three-provider-inquiry', { national_code: SUBMITTER.national_code })
    const { seen, until } = await watch(hash)
    const done = await until(isFinal)
    expect(done).toMatchObject({ status: 'completed', result_data: { provider: 'thorough' } })
    const parts = done.steps.filter((step) => step.of === 'asking')
    expect(parts.map(({ id, state }) => [id, state])).toEqual([
      ['swift', 'done'],
      ['steady', 'done'],
      ['thorough', 'done'],
    ])
    expect(seen.some(({ steps }) => steps.some((step) => step.of && step.state === 'current'))).toBe(true)
  })

  it('the result of a request is served alone', async () => {
    const url = `${halfway.url}/no-such-page`
    const { hash } = await submit('link-check', { url })
    const { until } = await watch(hash)
    const done = await until(isFinal)
    expect(done.error_data).toBeNull()
    expect(done.result_data).toMatchObject({ broken: [{ url, status: 404, found_on: url }] })
    const result = await fetch(`${halfway.url}/api/local-requests/${hash}/result`)
    expect(await result.json()).toEqual(done.result_data)
  })
})

describe('a subscription', () => {
  it('the workers push the end of a request once to the browser that subscribed', async () => {
    const { hash } = await submit('three-provider-inquiry', { national_code: SUBMITTER.national_code })
    const endpoint = pushService.endpoint('journey')
    expect((await post(`/api/local-requests/${hash}/push-subscriptions`, { endpoint })).status).toBe(204)
    await (await watch(hash)).until(isFinal)
    await eventually(async () => expect(await redis.exists(redis.names.push(hash))).toBe(0))
    expect(pushService.of('journey')).toMatchObject([
      { fault: null, contact: 'mailto:webmaster@example.com' },
    ])
    expect(halfway.output()).not.toContain(endpoint)
  })
})

describe('npm start', () => {
  it('npm start reports that it is ready only when readyz answers ok', async () => {
    const ready = await fetch(`${halfway.url}/readyz`)
    expect(await ready.json()).toEqual({ status: 'ok', checks: { redis: 'ok', writes: 'ok', workers: 'ok' } })
  })
})
