/** The second way to ask for a code: the call ends with SMS_SENT, and another call has the code. */
import { createServer } from 'node:http'
import supertest from 'supertest'
import { afterAll, describe, expect, it } from 'vitest'
import { BotFailure } from '../../bots/bot-failure.ts'
import type { BotRequest, Handle } from '../../bots/bot-server/define-service.ts'
import { createPendingOtpSessions } from '../../bots/bot-server/pending-otp-sessions.ts'
import { createRunRegistry } from '../../bots/bot-server/run-registry.ts'
import { createBotServer } from '../../bots/bot-server/server.ts'
import { codeRejected, type SmsSent, smsSent } from '../../bots/bot-server/sms-sent.ts'
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

/** Calls of the handler `bank`, by request. */
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
const log = createLog('bots', 'trace', {
  destination: { write: (line) => void logged.push(line) },
  wholeErrors: false,
})
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

describe('SMS_SENT', () => {
  it('smsSent ends the call with SMS_SENT and does not complete the request', async () => {
    const hash = await waiting()
    expect(await read(hash)).toMatchObject({ status: 'processing', result_data: null })
    expect(runs.size).toBe(0)
  })

  it('a call with the code resumes the session and completes the request', async () => {
    const hash = await waiting()
    expect(await call(hash, RIGHT)).toMatchObject({ code: 'COMPLETED', data: { balance: 17 } })
    expect(await read(hash)).toMatchObject({ status: 'completed', result_data: { balance: 17 } })
    expect(calls.get(hash)).toEqual(['began', 'verified'])
  })

  it('a later attempt gets SMS_SENT again and uses the same code and session', async () => {
    const hash = await waiting()
    await applyCommand(hash, { type: 'start', attempt: 2 })
    expect(await call(hash, undefined, { attempt: 2 })).toEqual(SENT)
    expect(await call(hash, RIGHT, { attempt: 2 })).toMatchObject({ code: 'COMPLETED' })
    expect(calls.get(hash)).toEqual(['began', 'verified'])
    expect(await read(hash)).toMatchObject({ status: 'completed', attempt: 2 })
  })

  it('a later attempt has another code sent in the same session when the last one is about to expire', async () => {
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

  it('a call of an attempt that was taken over does not end the session', async () => {
    const hash = await waiting()
    await applyCommand(hash, { type: 'start', attempt: 2 })
    expect(await call(hash, RIGHT, { attempt: 1 })).toMatchObject({ code: 'stale_attempt' })
    expect(await call(hash, RIGHT, { attempt: 2 })).toMatchObject({ code: 'COMPLETED' })
  })

  it('a call without a code has another code sent', async () => {
    const hash = await waiting()
    await applyCommand(hash, REQUIRE_OTP)
    expect(await call(hash)).toEqual(SENT)
    expect(calls.get(hash)).toEqual(['began', 'sent again'])
    expect(await read(hash)).toMatchObject({ status: 'otp_required' })
  })

  it('wrong codes are answered with OTP_REJECTED, and the right code is accepted after them', async () => {
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

  it('verify may return smsSent again instead of a result', async () => {
    const hash = await waiting()
    expect(await call(hash, 'late')).toEqual(SENT)
    expect(await call(hash, RIGHT)).toMatchObject({ code: 'COMPLETED' })
  })
})

describe('SMS_SENT: a lost session', () => {
  it('bots that stop wait for the codes of their sessions within the drain time', async () => {
    const own = createRunRegistry({
      updater,
      handlers: new Map([['bank', bank]]),
      concurrency: noTasks,
      log: quiet,
      drainMs: 60_000,
    })
    const { record } = await given(START)
    const caller = new AbortController().signal
    const incoming = { slug: 'bank', hash: record.hash, attempt: 1, data: {}, caller }
    expect(await own.run(incoming)).toEqual(SENT)
    const stopped = own.stop()
    expect(await own.run({ ...incoming, otp: RIGHT })).toMatchObject({ code: 'COMPLETED' })
    await stopped
    expect(await read(record.hash)).toMatchObject({ status: 'completed' })
  })

  it('a code fails as session_lost after a restart of the bots, which is retryable', async () => {
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

  it('a code fails as session_lost once the session has expired, and a call without a code starts again', async () => {
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

  it('a code fails as session_lost after a failure other than a wrong code', async () => {
    const hash = await waiting()
    expect(await call(hash, 'away')).toMatchObject({ code: 'portal_unavailable', retryable: true })
    expect(await call(hash, RIGHT)).toMatchObject(LOST)
  })
})

describe('pending OTP sessions', () => {
  it('a session is deleted when its request ends elsewhere, and its watch is stopped', async () => {
    const before = runs.pendingOtpSessions
    const hash = await waiting()
    expect(runs.pendingOtpSessions).toBe(before + 1)
    await applyCommand(hash, { type: 'cancel', by: 'user' })
    await eventually(() => expect(runs.pendingOtpSessions).toBe(before))
    await eventually(async () => expect(await subscriptions(hash)).toBe(0))
  })

  it('the oldest session is evicted above the maximum', async () => {
    const few = createPendingOtpSessions({ updater, maxSessions: 2 })
    const sent = smsSent(ASKED, { verify: async () => null, resend: async () => null })
    const hashes = await Promise.all([1, 2, 3].map(async () => (await given(START)).record.hash))
    for (const hash of hashes) await few.set(hash, sent)
    expect(few.size).toBe(2)
    expect(hashes.map((hash) => few.take(hash) !== undefined)).toEqual([false, true, true])
    await eventually(async () => expect(await Promise.all(hashes.map(subscriptions))).toEqual([0, 0, 0]))
  })

  it('a session is not stored for a request that has ended meanwhile', async () => {
    const { record } = await given(START, { type: 'cancel', by: 'user' })
    const codes = createPendingOtpSessions({ updater })
    await codes.set(record.hash, smsSent(ASKED, { verify: async () => null, resend: async () => null }))
    expect(codes.size).toBe(0)
  })
})

describe('SMS_SENT: concurrent calls', () => {
  it('concurrent calls with the same code verify it once, and both get the result', async () => {
    const hash = await waiting()
    const answers = await Promise.all([call(hash, RIGHT), call(hash, RIGHT)])
    expect(answers.map(({ code }) => code)).toEqual(['COMPLETED', 'COMPLETED'])
    expect(calls.get(hash)).toEqual(['began', 'verified'])
  })

  it('a concurrent call with another code waits for the running one', async () => {
    const hash = await waiting()
    const answers = await Promise.all([call(hash, WRONG), call(hash, RIGHT)])
    expect(answers.map(({ code }) => code)).toEqual(['OTP_REJECTED', 'COMPLETED'])
  })

  it('a call without a code during the check of a wrong one is answered with SMS_SENT', async () => {
    const hash = await waiting()
    const answers = await Promise.all([call(hash, WRONG), call(hash)])
    expect(answers.map(({ code }) => code)).toEqual(['OTP_REJECTED', 'SMS_SENT'])
    expect(calls.get(hash)).toEqual(['began', 'verified'])
  })

  it('a code that arrives during the first run is not lost', async () => {
    const { record } = await given(START)
    const answers = await Promise.all([call(record.hash), call(record.hash, RIGHT)])
    expect(answers.map(({ code }) => code)).toEqual(['SMS_SENT', 'COMPLETED'])
  })
})

describe('SMS_SENT: a call with the code', () => {
  it('a call with the code stops when the request is cancelled', async () => {
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

  it('the code arrives in the HTTP body as otp, and not in the form’s data', async () => {
    const { record } = await given(START)
    const body = { requestHash: record.hash, mobile: '09123456789' }
    expect((await post().send(body)).body).toEqual(SENT)
    expect((await post().send({ ...body, otp: WRONG })).body).toMatchObject({ code: 'OTP_REJECTED' })
    expect((await post().send({ ...body, otp: RIGHT })).body).toMatchObject({ code: 'COMPLETED' })
  })

  it.each([17, '', {}, null, 'x'.repeat(201)])('the code %j is refused as invalid', async (otp) => {
    const { record } = await given(START)
    const { status, body } = await post().send({ requestHash: record.hash, otp })
    expect([status, body.code]).toEqual([422, 'validation_failed'])
    expect(calls.get(record.hash)).toBeUndefined()
  })

  it('a code in an unreadable body is not quoted in the answer', async () => {
    const { text } = await post().set('content-type', 'application/json').send(`{"otp":${RIGHT}x`)
    expect(text).not.toContain(RIGHT)
  })

  it('the log of production does not contain the code, also when the handler throws an error with it', async () => {
    const hash = await waiting()
    expect(await call(hash, 'stumble')).toMatchObject({ code: 'bot_crashed' })
    expect(logged.join('')).toContain('TypeError')
    for (const code of [RIGHT, WRONG, 'stumble']) expect(logged.join('')).not.toContain(code)
  })
})
