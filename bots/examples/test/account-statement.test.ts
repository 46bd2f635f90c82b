/** The account statement bot against the demo portal, over real HTTP and a real Redis, called as the worker calls it. */
import type { Server } from 'node:http'
import { afterAll, describe, expect, test } from 'vitest'
import { createRecord } from '../../../core/domain/create-record.ts'
import { createLog } from '../../../core/runtime/log.ts'
import { eventually } from '../../../test/helpers/eventually.ts'
import { noTasks } from '../../../test/helpers/no-tasks.ts'
import { aHash, REQUIRE_OTP, START, TTL_SECONDS } from '../../../test/helpers/record.ts'
import { quiet, useRedis } from '../../../test/helpers/redis.ts'
import { useRequests } from '../../../test/helpers/requests.ts'
import { createRunRegistry } from '../../bot-server/run-registry.ts'
import { createUpdater } from '../../updater.ts'
import { definition } from '../account-statement/definition.ts'
import { createService } from '../account-statement/index.ts'
import {
  healthOf,
  inboxOf,
  MOBILE,
  newestCode,
  otherThan,
  running,
  start,
  startPortal,
  stop,
} from './local-portal.ts'

const ACCOUNT = { account_number: '1234567890123', mobile: MOBILE }
const SENT = {
  status: 'success',
  code: 'SMS_SENT',
  message: expect.stringContaining('0912***6789'),
  otp_data: {
    length: 6,
    sent_to: '0912***6789',
    message: expect.stringContaining('0912***6789'),
    message_key: expect.stringMatching(/^(code_of_digits|another)_sent$/),
    message_params: expect.objectContaining({ sent_to: '0912***6789' }),
    expires_in: 120,
  },
}

const redis = await useRedis()
const { store, applyCommand, watcher } = await useRequests(redis)
const updater = await createUpdater({ redis: redis.url, log: quiet })
const logged: string[] = []
const log = createLog('bots', 'trace', { destination: { write: (line) => void logged.push(line) } })
const stops: (() => Promise<void>)[] = []
afterAll(async () => {
  await Promise.all(stops.map((each) => each()))
  await updater.stop()
})

/** A request that a worker has started, and the bots that it calls for it. */
async function givenRequest(portal: string, requestData: Record<string, string> = ACCOUNT) {
  const hash = aHash()
  const { service, handle } = createService({ portalUrl: portal })
  const fields = { hash, service, requestData, sessionId: null, now: Date.now(), ttlSeconds: TTL_SECONDS }
  await store.create(createRecord(fields))
  await applyCommand(hash, START)
  const handlers = new Map([[service.slug, handle]])
  const runs = createRunRegistry({ updater, handlers, concurrency: noTasks, log })
  stops.push(runs.stop)
  const seen: { progress: number; step: string | null; message: string | null }[] = []
  const watch = await watcher.watch(hash, {
    onUpdate: ({ view }) =>
      void seen.push({ progress: view.progress, step: view.step, message: view.current_message }),
    onExpired: () => {},
  })
  return {
    hash,
    runs,
    seen,
    unwatch: watch.stop,
    record: async () => (await store.read(hash))?.record,
    call: (otp?: string, { attempt = 1, caller = new AbortController().signal } = {}) =>
      runs.run({ slug: service.slug, hash, attempt, data: requestData, otp, caller }),
  }
}

describe('the account statement bot', () => {
  test('the bot answers SMS_SENT, and with the statement when called with the code', async () => {
    const portal = await startPortal()
    const { call, record } = await givenRequest(portal)
    expect(await call()).toEqual(SENT)
    expect((await record())?.status).toBe('processing')
    const answer = await call(await newestCode(portal))
    const line = {
      date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
      description: expect.any(String),
      amount: expect.any(Number),
      balance: expect.any(Number),
    }
    expect(answer).toMatchObject({ code: 'COMPLETED' })
    const result = (await record())?.result_data as { lines: { date: string; balance: number }[] }
    expect(result).toEqual({
      account_number: '******0123',
      holder: expect.stringMatching(/^\w+ \w+$/),
      first_day: result.lines[0]?.date,
      last_day: result.lines.at(-1)?.date,
      lines: result.lines.map(() => line),
      closing_balance: result.lines.at(-1)?.balance,
      currency: 'IRR',
      reference_number: expect.stringMatching(/^DEMO-\d{8}$/),
    })
    expect(result.lines.length).toBeGreaterThanOrEqual(8)
  })

  test('the steps are reported in the order of the catalogue, with messages that contain nothing secret', async () => {
    const portal = await startPortal()
    const { call, seen, unwatch } = await givenRequest(portal)
    await call()
    await call(await newestCode(portal))
    await eventually(() => expect(seen.at(-1)?.progress).toBe(100))
    unwatch()
    const steps = [...new Set(seen.flatMap(({ step }) => step ?? []))]
    expect(steps).toEqual(definition.steps.map(({ id }) => id))
    for (const secret of [MOBILE, ACCOUNT.account_number, await newestCode(portal)]) {
      expect(JSON.stringify(seen)).not.toContain(secret)
      expect(logged.join('')).not.toContain(secret)
    }
  })

  test('both calls use one portal session from sign-in to statement', async () => {
    const portal = await startPortal()
    const { call } = await givenRequest(portal)
    await Promise.all([call(), call()])
    const code = await newestCode(portal)
    await Promise.all([call(code), call(code)])
    expect(await inboxOf(portal)).toHaveLength(1)
    expect((await healthOf(portal)).sessions).toBe(1)
  })
})

describe('the account statement bot: the code', () => {
  test('the right code is accepted after two wrong ones', async () => {
    const portal = await startPortal()
    const { call } = await givenRequest(portal)
    await call()
    const code = await newestCode(portal)
    const rejected = { status: 'error', code: 'OTP_REJECTED', retryable: false }
    expect(await call(otherThan(code))).toMatchObject(rejected)
    expect(await call(otherThan(code))).toMatchObject(rejected)
    expect(await call(code)).toMatchObject({ code: 'COMPLETED' })
  })

  test('three wrong codes fail the request without a retry', async () => {
    const portal = await startPortal()
    const { call, runs } = await givenRequest(portal)
    await call()
    const wrong = otherThan(await newestCode(portal))
    await call(wrong)
    await call(wrong)
    expect(await call(wrong)).toMatchObject({ code: 'otp_attempts_exhausted', retryable: false })
    expect(runs.pendingOtpSessions).toBe(0)
  })

  test('a call without a code after the prompt has another code sent in the same visit', async () => {
    const portal = await startPortal()
    const { hash, call } = await givenRequest(portal)
    await call()
    await applyCommand(hash, REQUIRE_OTP)
    expect(await call()).toEqual(SENT)
    expect(await inboxOf(portal)).toHaveLength(2)
    expect((await healthOf(portal)).sessions).toBe(1)
    expect(await call(await newestCode(portal))).toMatchObject({ code: 'COMPLETED' })
  })

  test('an expired code has another one sent', async () => {
    let clock = Date.now()
    const portal = await startPortal({ now: () => clock })
    const { call } = await givenRequest(portal)
    await call()
    const late = await newestCode(portal)
    clock += 120_000
    expect(await call(late)).toEqual(SENT)
    expect(await call(await newestCode(portal))).toMatchObject({ code: 'COMPLETED' })
  })

  test('a code fails as session_lost after the portal ended the session, and the next attempt signs in again', async () => {
    let clock = Date.now()
    const portal = await startPortal({ now: () => clock })
    const { call } = await givenRequest(portal)
    await call()
    const code = await newestCode(portal)
    clock += 11 * 60_000
    expect(await call(code)).toMatchObject({ code: 'session_lost', retryable: true })
    expect(await call()).toEqual(SENT)
    expect(await call(await newestCode(portal))).toMatchObject({ code: 'COMPLETED' })
  })

  test('after the caller disconnects during a check, the next call signs in again', async () => {
    const portal = await startPortal()
    const { call } = await givenRequest(portal)
    await call()
    const gone = new AbortController()
    const answering = call(await newestCode(portal), { caller: gone.signal })
    gone.abort(new Error('hung up'))
    await answering
    expect(await call()).toEqual(SENT)
    expect(await call(await newestCode(portal))).toMatchObject({ code: 'COMPLETED' })
  })
})

describe('the account statement bot: portal failures', () => {
  test('a portal that becomes unreachable before the code arrives is a retryable failure', async () => {
    const portal = await startPortal()
    const { call } = await givenRequest(portal)
    await call()
    const code = await newestCode(portal)
    await stop(running.pop() as Server)
    expect(await call(code)).toMatchObject({ code: 'portal_unavailable', retryable: true })
  })

  test('a refused account is a final failure', async () => {
    const { call } = await givenRequest(await startPortal(), { ...ACCOUNT, account_number: '123' })
    expect(await call()).toMatchObject({ code: 'login_refused', retryable: false })
  })

  const about = (account: string, closing: string) =>
    `<table class="account"><tr><th>Account</th><td>${account}</td></tr><tr><th>Holder</th><td>Ava Azari</td></tr>
     <tr><th>Currency</th><td>IRR</td></tr><tr><th>Closing balance</th><td>${closing}</td></tr>
     <tr><th>Reference number</th><td>DEMO-12345678</td></tr></table>`
  const lines = (...rows: string[]) =>
    `<table class="lines"><thead><tr><th>Date</th><th>Balance</th><th>Amount</th><th>Description</th></tr></thead>
     <tbody>${rows.join('')}</tbody></table>`
  const row = (balance: string, amount: string) =>
    `<tr><td>2026-06-01</td><td>${balance}</td><td>${amount}</td><td>Rent</td></tr>`
  const TWO = lines(row('5,000', '1,000'), row('-1,500', '-6,500'))
  const form = (name: string) => `<form name="${name}" method="post" action="/${name}"></form>`

  /** A portal of another make, which ends with this page. */
  const startOther = (statement: string): Promise<string> => {
    const pages: Record<string, string> = {
      '/account/login': form('login'),
      '/login': form('send-code'),
      '/send-code': form('code'),
      '/code': statement,
    }
    return start((req, res) => res.setHeader('content-type', 'text/html').end(pages[req.url as string]))
  }

  test('a statement is read with columns in another order and a negative balance', async () => {
    const { call, record } = await givenRequest(await startOther(about('***0123', '-1,500') + TWO))
    await call()
    expect(await call('123456')).toMatchObject({ code: 'COMPLETED' })
    expect((await record())?.result_data).toMatchObject({
      closing_balance: -1500,
      lines: [{ amount: 1000 }, { amount: -6500, balance: -1500, description: 'Rent' }],
    })
  })

  test.each([
    ['shows the whole account number', about('1234567890123', '-1,500') + TWO],
    ['shows lines that do not add up', about('***0123', '1') + lines(row('5', '5'), row('1', '-5'))],
    ['shows another closing balance', about('***0123', '1,500') + TWO],
    ['shows an invalid amount', about('***0123', '5') + lines(row('5', 'five'))],
    ['shows no lines', about('***0123', '5')],
    ['shows something else', '<h1>Welcome to the new portal</h1>'],
  ])('a portal that %s is a final failure', async (_what, statement) => {
    const { call } = await givenRequest(await startOther(statement))
    await call()
    expect(await call('123456')).toMatchObject({ code: 'portal_changed', retryable: false })
  })

  test('a portal without a code form fails the request before the submitter is asked for a code', async () => {
    const other = await start((_req, res) =>
      res.setHeader('content-type', 'text/html').end(form('login') + form('send-code')),
    )
    const { call, runs } = await givenRequest(other)
    expect(await call()).toMatchObject({ code: 'portal_changed' })
    expect(runs.pendingOtpSessions).toBe(0)
  })
})
