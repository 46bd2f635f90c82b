/** A worker on a real queue, and a foreign bot that ends its call to ask for a code. */
import { Queue } from 'bullmq'
import { describe, expect, test } from 'vitest'
import type { RequestRecord } from '../../core/domain/record.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { encodeRecord } from '../../core/records/codec.ts'
import { keepEarlyCode } from '../../core/store/early-codes.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { REQUIRE_OTP, TTL_SECONDS } from '../helpers/record.ts'
import { creditScoreRating } from '../helpers/services.ts'
import { failure, later, smsSent, success } from './foreign-bot.ts'
import { PREFIX, STEADY, useRequestWorker } from './request-worker-setup.ts'

const {
  redis,
  store,
  queues,
  bot,
  makeRecord,
  submit,
  audited,
  record,
  ended,
  inStatus,
  apply,
  queueContents,
} = await useRequestWorker()

describe('a bot that answers SMS_SENT', () => {
  test('SMS_SENT requests the code, and the bot is called again with it', async () => {
    const localized = {
      message: 'We sent you a code.',
      message_key: 'code_sent',
      message_params: { digits: 6 },
    }
    const prompt = { length: 6, sent_to: '0912***6789', ...localized, expires_in: 90 }
    const { hash } = await submit({ replies: [smsSent(prompt), success({ score: 1 })] })
    const asked = await inStatus(hash, 'otp_required')
    expect(asked).toMatchObject({
      current_message: 'We sent you a code.',
      message_key: 'code_sent',
      message_params: { digits: 6 },
      otp_data: { length: 6, sent_to: '0912***6789', attempts_left: 3, ...localized },
    })
    expect(Date.parse(asked.otp_data?.expires_at ?? '') - Date.parse(asked.updated_at)).toBe(90_000)

    await apply(hash, { type: 'submit_otp', otp: '012345' })
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 1, result_data: { score: 1 } })
    const bodies = bot.calls(hash).map((call) => call.body)
    expect(bodies).toEqual([
      { mobile: '09123456789', requestHash: hash },
      { mobile: '09123456789', requestHash: hash, otp: '012345' },
    ])
    expect(bot.calls(hash).map((call) => call.headers['x-attempt'])).toEqual(['1', '1'])
    expect(await redis.exists(keys.otp(hash))).toBe(0)
  })

  test('a question of another kind is asked, and the bot is called again with the answer', async () => {
    const options = ['a', 'b'].map((value) => ({ value, label: value.toUpperCase() }))
    const { hash } = await submit({ replies: [smsSent({ kind: 'choice', options }), success()] })
    expect((await inStatus(hash, 'otp_required')).otp_data).toMatchObject({ kind: 'choice', options })
    await apply(hash, { type: 'submit_otp', otp: 'b' })
    expect(await ended(hash)).toMatchObject({ status: 'completed' })
    expect(bot.calls(hash)[1]?.body).toMatchObject({ otp: 'b' })
  })

  test('an invalid question fails the request with the reason', async () => {
    const { hash } = await submit({ replies: [smsSent({ kind: 'choice' })] })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      error_data: { code: 'bot_bad_answer', message: expect.stringContaining('options') },
    })
  })

  test('a code that came before SMS_SENT is given to the bot immediately', async () => {
    const { reply, answer } = later()
    const { hash } = await submit({ replies: [reply, success()] })
    await bot.call(hash)
    const { record } = await store.get(hash)
    await keepEarlyCode(redis, record, '483920')
    answer(smsSent({ length: 6 }))
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 1 })
    expect(bot.calls(hash)[1]?.body).toMatchObject({ otp: '483920' })
  })

  test('SMS_SENT in answer to a code requests another code', async () => {
    const { hash } = await submit({ replies: [smsSent(), smsSent(), success()] })
    const first = await inStatus(hash, 'otp_required')
    await apply(hash, { type: 'submit_otp', otp: '111111' })
    await bot.call(hash, 2)
    const second = await inStatus(hash, 'otp_required')
    expect(second.otp_data?.id).not.toBe(first.otp_data?.id)
    await apply(hash, { type: 'submit_otp', otp: '222222' })
    await ended(hash)
    expect(bot.calls(hash)[2]?.body).toMatchObject({ otp: '222222' })
  })

  test('a request that waits for a code after SMS_SENT occupies no worker', async () => {
    const { hash } = await submit({ replies: [smsSent(), success()] })
    await inStatus(hash, 'otp_required')
    const queue = new Queue('inquiries', { connection: redis, prefix: PREFIX })
    await eventually(async () => expect(await queue.getJobState(hash)).toBe('delayed'))
    await queue.close()
    await apply(hash, { type: 'submit_otp', otp: '012345' })
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 1 })
  })

  test('a job that waits for a code is removed when its record expires', async () => {
    const hash = await makeRecord(STEADY, 2)
    bot.replies(hash, smsSent())
    await queues.add(await record(hash), { queue: creditScoreRating.queue })
    await inStatus(hash, 'otp_required')
    await eventually(async () => expect(await redis.exists(keys.record(hash))).toBe(0))
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(bot.calls(hash)).toHaveLength(1)
  })

  test('a resend calls the bot that answered SMS_SENT again, without a code', async () => {
    const { hash } = await submit({ replies: [smsSent(), smsSent(), success()] })
    const first = await inStatus(hash, 'otp_required')
    const laterStore = createRequestStore({ redis, ttlSeconds: TTL_SECONDS, now: () => Date.now() + 31_000 })
    expect(await laterStore.apply(hash, { type: 'resend_otp' })).toMatchObject({ ok: true })
    await queues.promote(await record(hash), { queue: creditScoreRating.queue })
    await bot.call(hash, 2)
    const second = await eventually(async () => {
      const found = await record(hash)
      expect(found.otp_data?.id).not.toBe(first.otp_data?.id)
      return found
    })
    expect(second).toMatchObject({
      status: 'otp_required',
      attempt: 1,
      otp_data: { resends: 1, resend_requested: false },
    })
    expect(bot.calls(hash)[1]?.body).not.toHaveProperty('otp')
  })

  test('a code rejected by the bot is requested again, and the third rejection fails the request', async () => {
    const wrong = failure('OTP_REJECTED', { message: 'That was not it.' })
    const { hash } = await submit({ replies: [smsSent(), wrong, wrong, wrong] })
    for (const left of [3, 2, 1]) {
      const asked = await eventually(async () => {
        const found = await record(hash)
        expect(found).toMatchObject({ status: 'otp_required', otp_data: { attempts_left: left } })
        return found
      })
      if (left < 3) expect(asked.otp_data?.error?.message).toBe('That was not it.')
      await apply(hash, { type: 'submit_otp', otp: '000000' })
    }
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      error_data: { code: 'otp_attempts_exhausted' },
    })
    const about = { action: 'code', outcome: 'refused', request: shortReference(hash) }
    await eventually(async () =>
      expect(await audited(hash)).toMatchObject([
        { ...about, reason: 'otp_rejected' },
        { ...about, reason: 'otp_rejected' },
        { ...about, reason: 'otp_attempts_exhausted' },
      ]),
    )
  })

  test('a code that a bot rejects while its call runs is written to the audit log, and a right one is not', async () => {
    // It reports by an updater, and does not answer.
    const { hash } = await submit({ replies: [() => {}] })
    await bot.call(hash)
    await apply(hash, REQUIRE_OTP)
    await apply(hash, { type: 'submit_otp', otp: '111111' })
    await apply(hash, { type: 'reject_otp', attempt: 1, message: 'That was not it.' })
    await apply(hash, { type: 'submit_otp', otp: '222222' })
    await apply(hash, { type: 'complete', attempt: 1, result: null })
    await eventually(async () =>
      expect(await audited(hash)).toMatchObject([
        { action: 'code', reason: 'otp_rejected', process: 'workers' },
      ]),
    )
  })

  test('a bot that answered SMS_SENT is not called again when the code expires', async () => {
    const { hash } = await submit({ replies: [smsSent(), success()] })
    const asked = await inStatus(hash, 'otp_required')
    const longAgo = new Date(Date.now() - 301_000).toISOString()
    const prompt = { ...asked.otp_data, expires_at: longAgo }
    await redis.set(keys.record(hash), encodeRecord({ ...asked, otp_data: prompt } as RequestRecord))
    await queues.promote(await record(hash), { queue: creditScoreRating.queue })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 1,
      error_data: { code: 'otp_expired', message: 'The time for the code is over' },
    })
    expect(bot.calls(hash)).toHaveLength(1)
  })

  test('a bot that answered SMS_SENT is not called again after a cancel', async () => {
    const { hash } = await submit({ replies: [smsSent(), success()] })
    await inStatus(hash, 'otp_required')
    await apply(hash, { type: 'cancel', by: 'user' })
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(bot.calls(hash)).toHaveLength(1)
  })
})
