/** The second way of asking for a code, at the bots: the call ends, and another one brings the code. */
import { createServer } from 'node:http'
import supertest from 'supertest'
import { afterAll, describe, expect, it } from 'vitest'
import { BotFailure } from '../../bots/bot-failure.ts'
import type { BotRequest, Handle } from '../../bots/inquiry-provider/bot-service.ts'
import { createPendingOtpSessions } from '../../bots/inquiry-provider/pending-otp-sessions.ts'
import { createRunRegistry } from '../../bots/inquiry-provider/run-registry.ts'
import { createBotServer } from '../../bots/inquiry-provider/server.ts'
import { codeRejected, type SmsSent, smsSent } from '../../bots/inquiry-provider/sms-sent.ts'
import { createUpdater } from '../../bots/updater.ts'
import { createLog } from '../../core/runtime/log.ts'
import { eventually } from '../helpers/eventually.ts'
import { noTasks } from '../helpers/no-tasks.ts'
import { REQUIRE_OTP, START } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'

const TOKEN = 'a-token-for-these-tests'
const RIGHT = '730415'
const WRONG = '999999'
const ASKED = { length: 6, sent_to: '0912***6789', message: 'A code is on its way.', expires_in: 90 }
const SENT = { status: 'success', code: 'SMS_SENT', message: ASKED.message, otp_data: ASKED }
const LOST = { status: 'error', code: 'session_lost', retryable: true }

const redis = await useRedis()
const { store, given, applyCommand, subscriptions } = await useRequests(redis)
const updater = await createUpdater({ redis: redis.url, log: quiet })

/** What the handler `bank` was called for, by request. */
const calls = new Map<string, string[]>()
const note = ({ hash }: BotRequest, what: string): void => {
  calls.set(hash, [...(calls.get(hash) ?? []), what])
}
/** Holds `verify` until the test lets it go on. */
let verifying: { request: BotRequest; goOn(): void } | null = null
const bank: Handle = async (_data, first) => {
  note(first, 'began')
  const waiting = (): SmsSent =>
    smsSent(ASKED, {
      async verify(code, request) {
        note(request, 'verified')
        if (code === 'hold')
          await new Promise<void>((resolve) => {
            verifying = { request, goOn: resolve }
          })
        if (code === 'stumble') throw new TypeError(`cannot read ${code} of undefined`)
        if (code === 'away') throw new BotFailure('portal_unavailable', 'Away.', { retryable: true })
        if (code === 'late') return waiting()
        if (code !== RIGHT && code !== 'hold') throw codeRejected()
        return { balance: 17 }
      },
      async resend(request) {
        note(request, 'sent again')
        return waiting()
      },
    })
  return waiting()
}

const logged: string[] = []
const log = createLog('bots', 'trace', { write: (line) => void logged.push(line) })
const runs = createRunRegistry({ updater, handlers: new Map([['bank', bank]]), concurrency: noTasks, log })
const http = createServer(createBotServer({ runs, token: TOKEN, log }))
afterAll(async () => {
  await runs.stop()
  await updater.stop()
})

const call = (hash: string, otp?: string, { attempt = 1, caller = new AbortController().signal } = {}) =>
  runs.run({ slug: 'bank', hash, attempt, data: {}, otp, caller })
const read = async (hash: string) => (await store.read(hash))?.record
/** A request whose code was sent. */
async function waiting(): Promise<string> {
  const { record } = await given(START)
  expect(await call(record.hash)).toEqual(SENT)
  return record.hash
}

describe('a handler that has had a code sent', () => {
  it('ends its call with SMS_SENT and does not complete the request', async () => {
    const hash = await waiting()
    expect(await read(hash)).toMatchObject({ status: 'processing', result_data: null })
    expect(runs.size).toBe(0)
  })

  it('is called again with the code, goes on where it left off, and completes', async () => {
    const hash = await waiting()
    expect(await call(hash, RIGHT)).toMatchObject({ code: 'COMPLETED', data: { balance: 17 } })
    expect(await read(hash)).toMatchObject({ status: 'completed', result_data: { balance: 17 } })
    expect(calls.get(hash)).toEqual(['began', 'verified'])
  })

  it('repeats its answer for a later attempt, which goes on with the same code and session', async () => {
    const hash = await waiting()
    await applyCommand(hash, { type: 'start', attempt: 2 })
    expect(await call(hash, undefined, { attempt: 2 })).toEqual(SENT)
    expect(await call(hash, RIGHT, { attempt: 2 })).toMatchObject({ code: 'COMPLETED' })
    expect(calls.get(hash)).toEqual(['began', 'verified'])
    expect(await read(hash)).toMatchObject({ status: 'completed', attempt: 2 })
  })

  it('has another code sent in the same session for a later attempt once the last one is nearly over', async () => {
    const { record } = await given(START)
    let sent = 0
    const send = async (): Promise<SmsSent> => {
      sent++
      return smsSent({ ...ASKED, expires_in: 29 }, { verify: async () => null, resend: send })
    }
    const own = createRunRegistry({
      updater,
      handlers: new Map([['brief', send]]),
      concurrency: noTasks,
      log: quiet,
    })
    const again = { slug: 'brief', hash: record.hash, data: {}, caller: new AbortController().signal }
    await own.run({ ...again, attempt: 1 })
    await applyCommand(record.hash, { type: 'start', attempt: 2 })
    expect(await own.run({ ...again, attempt: 2 })).toMatchObject({ code: 'SMS_SENT' })
    expect(sent).toBe(2)
    await own.stop()
  })

  it('keeps what it needs when an attempt calls that has been taken over', async () => {
    const hash = await waiting()
    await applyCommand(hash, { type: 'start', attempt: 2 })
    expect(await call(hash, RIGHT, { attempt: 1 })).toMatchObject({ code: 'stale_attempt' })
    expect(await call(hash, RIGHT, { attempt: 2 })).toMatchObject({ code: 'COMPLETED' })
  })

  it('has another one sent when it is called again without a code', async () => {
    const hash = await waiting()
    await applyCommand(hash, REQUIRE_OTP)
    expect(await call(hash)).toEqual(SENT)
    expect(calls.get(hash)).toEqual(['began', 'sent again'])
    expect(await read(hash)).toMatchObject({ status: 'otp_required' })
  })

  it('refuses a wrong code as OTP_REJECTED, as often as it comes, and takes the right one after', async () => {
    const hash = await waiting()
    const rejected = {
      status: 'error',
      code: 'OTP_REJECTED',
      message: 'That code was not right.',
      message_key: 'otp_rejected',
      retryable: false,
    }
    expect(await call(hash, WRONG)).toEqual(rejected)
    expect(await call(hash, WRONG)).toEqual(rejected)
    expect((await read(hash))?.status).toBe('processing')
    expect(await call(hash, RIGHT)).toMatchObject({ code: 'COMPLETED' })
  })

  it('may ask for another code instead of giving a result', async () => {
    const hash = await waiting()
    expect(await call(hash, 'late')).toEqual(SENT)
    expect(await call(hash, RIGHT)).toMatchObject({ code: 'COMPLETED' })
  })
})

describe('a code whose session is lost', () => {
  it('after the bots were started anew is told so, for a new attempt', async () => {
    const hash = await waiting()
    const restarted = createRunRegistry({
      updater,
      handlers: new Map([['bank', bank]]),
      concurrency: noTasks,
      log: quiet,
    })
    const caller = new AbortController().signal
    const answer = await restarted.run({ slug: 'bank', hash, attempt: 1, data: {}, otp: RIGHT, caller })
    expect(answer).toMatchObject(LOST)
    await restarted.stop()
  })

  it('after its time is over is told so, and a call without a code begins anew', async () => {
    const brief = createRunRegistry({
      updater, handlers: new Map([['bank', bank]]), concurrency: noTasks, log: quiet, otpSessionLifeMs: 1,
    }) // biome-ignore format: one line of settings
    const { record } = await given(START)
    const options = {
      slug: 'bank',
      hash: record.hash,
      attempt: 1,
      data: {},
      caller: new AbortController().signal,
    }
    expect(await brief.run(options)).toEqual(SENT)
    await eventually(() => expect(brief.pendingOtpSessions).toBe(0))
    expect(await brief.run({ ...options, otp: RIGHT })).toMatchObject(LOST)
    expect(await brief.run(options)).toEqual(SENT)
    expect(calls.get(record.hash)).toEqual(['began', 'began'])
    await brief.stop()
  })

  it('after a failure other than a wrong code is told so', async () => {
    const hash = await waiting()
    expect(await call(hash, 'away')).toMatchObject({ code: 'portal_unavailable', retryable: true })
    expect(await call(hash, RIGHT)).toMatchObject(LOST)
  })
})

describe('what a handler left behind', () => {
  it('is dropped when the request ends, wherever that was decided, and nobody listens any more', async () => {
    const before = runs.pendingOtpSessions
    const hash = await waiting()
    expect(runs.pendingOtpSessions).toBe(before + 1)
    await applyCommand(hash, { type: 'cancel', by: 'user' })
    await eventually(() => expect(runs.pendingOtpSessions).toBe(before))
    await eventually(async () => expect(await subscriptions(hash)).toBe(0))
  })

  it('is bounded in number: the oldest makes room', async () => {
    const few = createPendingOtpSessions({ updater, maxSessions: 2 })
    const sent = smsSent(ASKED, { verify: async () => null, resend: async () => null })
    const hashes = await Promise.all([1, 2, 3].map(async () => (await given(START)).record.hash))
    for (const hash of hashes) await few.set(hash, sent)
    expect(few.size).toBe(2)
    expect(hashes.map((hash) => few.take(hash) !== undefined)).toEqual([false, true, true])
    await eventually(async () => expect(await Promise.all(hashes.map(subscriptions))).toEqual([0, 0, 0]))
  })

  it('is not kept for a request that has ended meanwhile', async () => {
    const { record } = await given(START, { type: 'cancel', by: 'user' })
    const codes = createPendingOtpSessions({ updater })
    await codes.set(record.hash, smsSent(ASKED, { verify: async () => null, resend: async () => null }))
    expect(codes.size).toBe(0)
  })
})

describe('calls that meet', () => {
  it('with the same code check it once, and both have the result', async () => {
    const hash = await waiting()
    const answers = await Promise.all([call(hash, RIGHT), call(hash, RIGHT)])
    expect(answers.map(({ code }) => code)).toEqual(['COMPLETED', 'COMPLETED'])
    expect(calls.get(hash)).toEqual(['began', 'verified'])
  })

  it('with another code wait for their turn', async () => {
    const hash = await waiting()
    const answers = await Promise.all([call(hash, WRONG), call(hash, RIGHT)])
    expect(answers.map(({ code }) => code)).toEqual(['OTP_REJECTED', 'COMPLETED'])
  })

  it('without a code while a wrong one is checked are told that one was sent', async () => {
    const hash = await waiting()
    const answers = await Promise.all([call(hash, WRONG), call(hash)])
    expect(answers.map(({ code }) => code)).toEqual(['OTP_REJECTED', 'SMS_SENT'])
    expect(calls.get(hash)).toEqual(['began', 'verified'])
  })

  it('with a code while the first is under way do not lose it', async () => {
    const { record } = await given(START)
    const answers = await Promise.all([call(record.hash), call(record.hash, RIGHT)])
    expect(answers.map(({ code }) => code)).toEqual(['SMS_SENT', 'COMPLETED'])
  })
})

describe('a call with the code', () => {
  it('stops when the request is cancelled', async () => {
    const hash = await waiting()
    const answering = call(hash, 'hold')
    const held = await eventually(() => {
      if (verifying?.request.hash !== hash) throw new Error('the code is not being checked yet')
      return verifying
    })
    await applyCommand(hash, { type: 'cancel', by: 'user' })
    await eventually(() => expect(held.request.signal.aborted).toBe(true))
    held.goOn()
    expect(await answering).toMatchObject({ code: 'already_final' })
    expect(await read(hash)).toMatchObject({ status: 'cancelled' })
  })

  const post = () => supertest(http).post('/api/services/bank').set('authorization', `Bearer ${TOKEN}`)

  it('comes over HTTP in the body as otp, and not among the form’s data', async () => {
    const { record } = await given(START)
    const body = { requestHash: record.hash, mobile: '09123456789' }
    expect((await post().send(body)).body).toEqual(SENT)
    expect((await post().send({ ...body, otp: WRONG })).body).toMatchObject({ code: 'OTP_REJECTED' })
    expect((await post().send({ ...body, otp: RIGHT })).body).toMatchObject({ code: 'COMPLETED' })
  })

  it.each([17, '', {}, null, 'x'.repeat(65)])('that is %j is refused', async (otp) => {
    const { record } = await given(START)
    const { status, body } = await post().send({ requestHash: record.hash, otp })
    expect([status, body.code]).toEqual([422, 'validation_failed'])
    expect(calls.get(record.hash)).toBeUndefined()
  })

  it('is not quoted when it cannot be read', async () => {
    const { text } = await post().set('content-type', 'application/json').send(`{"otp":${RIGHT}x`)
    expect(text).not.toContain(RIGHT)
  })

  it('leaves no trace of the code in the log, not even when the handler stumbles over it', async () => {
    const hash = await waiting()
    expect(await call(hash, 'stumble')).toMatchObject({ code: 'bot_crashed' })
    expect(logged.join('')).toContain('TypeError')
    for (const code of [RIGHT, WRONG, 'stumble']) expect(logged.join('')).not.toContain(code)
  })
})
