import { afterAll, describe, expect, it } from 'vitest'
import { createUpdater, type EndReason } from '../../bots/updater.ts'
import { commonMessage } from '../../core/domain/common-messages.ts'
import { AppError } from '../../core/domain/errors.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, aRecord, progressTo, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { collectLog } from '../helpers/server.ts'

const redis = await useRedis()
const { client, store, given, applyCommand, foreignWrite } = await useRequests(redis)
const updater = await createUpdater({ redis: redis.url, log: quiet })
afterAll(() => updater.stop())

const read = async (hash: string) => (await store.read(hash))?.record
const CODE = '483920'
const handOver = (hash: string, otp = CODE) => applyCommand(hash, { type: 'submit_otp', otp })

describe('the updater: reports', () => {
  it('reports appear in the view step by step, from sign-in to result', async () => {
    const { record } = await given(START)
    const { hash } = record
    await updater.updateProgress(hash, 20, 'first', 'Signing in…')
    expect(await read(hash)).toMatchObject({ progress: 20, step: 'first', current_message: 'Signing in…' })
    await updater.markAsOtpRequired(hash, {
      length: 6,
      sent_to: '0912***4567',
      expires_in: 90,
      message: 'Type the code',
    })
    expect(await read(hash)).toMatchObject({
      status: 'otp_required',
      otp_data: { length: 6, sent_to: '0912***4567' },
    })
    const waiting = updater.waitForOtp(hash)
    await handOver(hash)
    expect(await waiting).toBe(CODE)
    await updater.updateProgress(hash, 90, 'third', {
      message: 'Reading…',
      message_key: 'reading',
      message_params: { page: 2 },
    })
    expect(await read(hash)).toMatchObject({ message_key: 'reading', message_params: { page: 2 } })
    await updater.markAsCompleted(hash, { score: 712 })
    expect(await read(hash)).toMatchObject({
      status: 'completed',
      progress: 100,
      result_data: { score: 712 },
    })
  })

  it('markAsFailed stores the code and message', async () => {
    const { record } = await given(START)
    await updater.markAsFailed(record.hash, 'The portal is closed', {
      code: 'portal_closed',
      retryable: true,
    })
    expect(await read(record.hash)).toMatchObject({
      status: 'failed', error_data: { code: 'portal_closed', message: 'The portal is closed', retryable: true },
    }) // biome-ignore format: one error
  })

  it('an unknown step is logged once and shown as reported', async () => {
    const { log, lines } = collectLog()
    const noisy = await createUpdater({ redis: redis.url, log })
    const { record } = await given(START)
    await noisy.updateProgress(record.hash, 20, 'first')
    await noisy.updateProgress(record.hash, 30, 'no_such_step')
    await noisy.updateProgress(record.hash, 40, 'nor_this')
    const about = lines
      .map((line) => JSON.parse(line))
      .filter(({ request }) => request === shortReference(record.hash))
    expect(about).toEqual([
      expect.objectContaining({ level: 40, step: 'no_such_step', service: record.service_slug }),
    ])
    expect(await read(record.hash)).toMatchObject({ step: 'nor_this', progress: 40 })
    await noisy.stop()
  })

  it.each(['', '   ', ' \n\t', '\u200f\u200b'])(
    'the blank message %j leaves the last message unchanged',
    async (blank) => {
      const { record } = await given(START)
      await updater.updateProgress(record.hash, 20, 'first', { message: 'Page 7', message_key: 'page' })
      await updater.updateProgress(record.hash, 30, 'second', blank)
      expect(await read(record.hash)).toMatchObject({
        progress: 30,
        step: 'second',
        current_message: 'Page 7',
        message_key: 'page',
      })
      await foreignWrite(record.hash, { progress: 40, current_message: blank })
      expect(await read(record.hash)).toMatchObject({ progress: 40, current_message: 'Page 7' })
      await updater.markAsFailed(record.hash, blank)
      expect((await read(record.hash))?.error_data).toEqual({
        code: 'failed',
        message: commonMessage('no_reason').message,
        retryable: false,
      })
    },
  )

  it('rejectOtp asks again after a wrong code, and resolves with false after the last try', async () => {
    const { record } = await given(START)
    await updater.markAsOtpRequired(record.hash)
    const askedAgain: boolean[] = []
    for (const code of ['1111', '2222', '3333']) {
      const waiting = updater.waitForOtp(record.hash)
      await handOver(record.hash, code)
      expect(await waiting).toBe(code)
      askedAgain.push(await updater.rejectOtp(record.hash, 'Wrong'))
    }
    expect(askedAgain).toEqual([true, true, false])
    expect(await read(record.hash)).toMatchObject({
      status: 'failed',
      error_data: { code: 'otp_attempts_exhausted' },
    })
  })

  it('waitForOtp rejects with otp_expired when no code was typed in time', async () => {
    const { record } = await given(START)
    await updater.markAsOtpRequired(record.hash, { expires_in: 0.2 })
    await expect(updater.waitForOtp(record.hash)).rejects.toMatchObject({
      name: 'BotFailure',
      code: 'otp_expired',
    })
  })

  it('a late write is refused with its reason', async () => {
    const { record } = await given(START)
    await updater.updateProgress(record.hash, 10)
    await applyCommand(record.hash, { type: 'cancel', by: 'user' })
    const late = updater.updateProgress(record.hash, 50)
    await expect(late).rejects.toBeInstanceOf(AppError)
    await expect(late).rejects.toMatchObject({ code: 'already_final' })
    await expect(updater.markAsCompleted(record.hash, 1)).rejects.toMatchObject({ code: 'already_final' })
    expect(await read(record.hash)).toMatchObject({ status: 'cancelled', result_data: null })
  })

  it('a write does not recreate an expired request', async () => {
    const { record } = await given(START)
    await updater.updateProgress(record.hash, 10)
    await client.del(keys.record(record.hash))
    await expect(updater.updateProgress(record.hash, 50)).rejects.toMatchObject({ code: 'request_not_found' })
    expect(await client.exists(keys.record(record.hash))).toBe(0)
  })

  it('a bot that writes before the request exists can report once it does', async () => {
    const record = aRecord()
    await expect(updater.updateProgress(record.hash, 10)).rejects.toMatchObject({ code: 'request_not_found' })
    await store.create(record)
    await updater.updateProgress(record.hash, 20)
    expect(await read(record.hash)).toMatchObject({ progress: 20 })
  })

  it('no update is lost to concurrent plain writes or to the updater’s own', async () => {
    const { record } = await given(START)
    await updater.updateProgress(record.hash, 5, 'first')
    await foreignWrite(record.hash, { current_message: 'From elsewhere', progress: 30 })
    await updater.updateProgress(record.hash, 10, 'second')
    expect(await read(record.hash)).toMatchObject({
      step: 'second',
      progress: 30,
      current_message: 'From elsewhere',
    })
    await Promise.all(Array.from({ length: 20 }, (_, i) => updater.updateProgress(record.hash, 40 + i)))
    expect(await read(record.hash)).toMatchObject({ progress: 59, version: 25 })
  })

  it('a result over 256 kB rejects with result_too_large and fails the request', async () => {
    const { record } = await given(START)
    const large = updater.markAsCompleted(record.hash, 'x'.repeat(300_000))
    await expect(large).rejects.toMatchObject({
      code: 'result_too_large',
      message: expect.stringContaining('256 kB'),
    })
    expect(await read(record.hash)).toMatchObject({
      status: 'failed',
      error_data: { code: 'result_too_large', retryable: false },
    })
  })
})

describe('the updater: invalid results', () => {
  const circular: Record<string, unknown> = {}
  circular.self = circular
  it.each([
    ['contains itself', circular, 'bot_bad_answer'],
    ['contains a BigInt', { amount: 1n }, 'bot_bad_answer'],
    ['is a function', () => 1, 'bot_bad_answer'],
    ['is nested too deep', JSON.parse('['.repeat(9999) + ']'.repeat(9999)), 'result_too_large'],
  ])('a result that %s fails the request with its code', async (_why, result, code) => {
    const { record } = await given(START)
    await expect(updater.markAsCompleted(record.hash, result)).rejects.toMatchObject({ code })
    expect(await read(record.hash)).toMatchObject({
      status: 'failed',
      error_data: { code, retryable: false },
    })
  })
})

describe('the updater: attempts', () => {
  it('writes of an attempt that was taken over are refused', async () => {
    const { record } = await given(START)
    await updater.updateProgress(record.hash, 10, 'first', 'Old bot')
    await applyCommand(record.hash, { type: 'start', attempt: 2 })
    for (const late of [
      () => updater.updateProgress(record.hash, 90),
      () => updater.markAsCompleted(record.hash, 'old result'),
      () => updater.markAsFailed(record.hash, 'old failure'),
    ]) await expect(late()).rejects.toMatchObject({ code: 'stale_attempt' })
    expect(await read(record.hash)).toMatchObject({ status: 'processing', progress: 10, attempt: 2 })
  }) // biome-ignore format: three late writes

  it('bind gives each call of a long-running program its own attempt', async () => {
    const { record } = await given(START)
    await updater.updateProgress(record.hash, 10)
    const first = updater.bind(record.hash, () => 1)
    await applyCommand(record.hash, { type: 'start', attempt: 2 })
    const second = updater.bind(record.hash, () => 2)
    for (const late of [first.updateProgress(20), updater.updateProgress(record.hash, 20)])
      await expect(late).rejects.toMatchObject({ code: 'stale_attempt' })
    await second.updateProgress(30)
    expect(await read(record.hash)).toMatchObject({ progress: 30, attempt: 2 })
  })

  it('writes bound to the newest attempt are accepted after a take-over', async () => {
    const { record } = await given(START)
    let attempt = 1
    const bound = updater.bind(record.hash, () => attempt)
    await bound.updateProgress(10)
    await applyCommand(record.hash, { type: 'start', attempt: 2 })
    attempt = 2
    await bound.updateProgress(20)
    expect(await read(record.hash)).toMatchObject({ progress: 20, attempt: 2 })
  })
})

describe('onEnd', () => {
  const endOf = (hash: string): Promise<EndReason> =>
    new Promise((resolve, reject) => updater.onEnd(hash, () => 1, resolve).catch(reject))

  it('onEnd reports a cancel', async () => {
    const { record } = await given(START)
    const end = endOf(record.hash)
    await applyCommand(record.hash, { type: 'cancel', by: 'user' })
    expect(await end).toBe('already_final')
  })

  it('onEnd reports a take-over, and not the start of its own attempt', async () => {
    const { record } = await given()
    const end = endOf(record.hash)
    await applyCommand(record.hash, START)
    await applyCommand(record.hash, progressTo(10))
    expect(await Promise.race([end, 'nothing'])).toBe('nothing')
    await applyCommand(record.hash, { type: 'start', attempt: 2 })
    expect(await end).toBe('stale_attempt')
  })

  it('onEnd reports the expiry of the request', async () => {
    const record = aRecord({ ttlSeconds: 0.3 })
    await store.create(record)
    expect(await endOf(record.hash)).toBe('request_expired')
  })

  it('onEnd reports immediately that a request is already final', async () => {
    const { record } = await given(START, { type: 'cancel', by: 'user' })
    expect(await endOf(record.hash)).toBe('already_final')
    await expect(endOf(aHash())).rejects.toMatchObject({ code: 'request_not_found' })
  })
})

describe('the updater: connections', () => {
  it('createUpdater accepts a Redis target, and stop closes all connections', async () => {
    const before = Number(/connected_clients:(\d+)/.exec(await client.info('clients'))?.[1])
    const other = await createUpdater({ redis: redis.target, log: quiet })
    const { record } = await given(START)
    await other.updateProgress(record.hash, 10)
    await other.stop()
    await eventually(async () =>
      expect(Number(/connected_clients:(\d+)/.exec(await client.info('clients'))?.[1])).toBe(before),
    )
  })

  it('createUpdater rejects with one sentence when Redis does not answer', async () => {
    const nowhere = createUpdater({ redis: 'redis://127.0.0.1:1', log: quiet })
    await expect(nowhere).rejects.toMatchObject({
      name: 'StartupError',
      message: expect.stringContaining('127.0.0.1:1'),
    })
  })

  it.runIf(onRealRedis)('the updater waits while Redis is away and continues once it is back', async () => {
    const { record } = await given(START)
    await updater.updateProgress(record.hash, 10)
    await redis.stop()
    // The private Redis restarts without data: the bot is notified that the request has expired.
    const reason = expect(updater.updateProgress(record.hash, 20)).rejects.toMatchObject({
      code: 'request_not_found',
    })
    await redis.restart()
    await reason
    const again = createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS })
    await again.create(record)
    await updater.updateProgress(record.hash, 30)
    expect(await read(record.hash)).toMatchObject({ progress: 30 })
  })
})
