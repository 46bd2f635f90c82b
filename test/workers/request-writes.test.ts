/** A worker on a real queue, while others write the record: the bot itself, a submitter who cancels, another worker. */
import { Queue } from 'bullmq'
import { describe, expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { aRecord } from '../helpers/record.ts'
import { creditScoreRating } from '../helpers/services.ts'
import { failure, later, silence, smsSent, success } from './foreign-bot.ts'
import { PATIENT, PREFIX, STEADY, useRequestWorker } from './request-worker-setup.ts'

const { redis, store, queues, bot, makeRecord, submit, record, ended, apply, queueContents } =
  await useRequestWorker()

describe('what the bot writes itself', () => {
  test('a result written by the bot’s updater counts, and its later answer changes nothing', async () => {
    const open = later()
    const { hash } = await submit({ replies: [open.reply] })
    await bot.call(hash)
    await apply(hash, { type: 'progress', attempt: 1, progress: 60, step: 'second', message: 'Working…' })
    await apply(hash, { type: 'complete', attempt: 1, result: { from: 'the updater' } })
    open.answer(success({ from: 'the answer' }))
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(await record(hash)).toMatchObject({ status: 'completed', result_data: { from: 'the updater' } })
  })

  test('progress written by the bot does not go back with a retry', async () => {
    const first = later()
    const { hash, views } = await submit({ replies: [first.reply, success()] })
    await bot.call(hash)
    await apply(hash, { type: 'progress', attempt: 1, progress: 60, step: 'second' })
    first.answer(failure('portal_down', { retryable: true }))
    await ended(hash)
    const progress = views.map((view) => view.progress)
    expect(progress).toEqual([...progress].sort((a, b) => a - b))
    expect(progress).toContain(60)
  })
})

describe('a cancel', () => {
  test('a cancel closes the call of the bot, and the request stays cancelled', async () => {
    const { hash } = await submit({ replies: [silence] })
    const call = await bot.call(hash)
    await apply(hash, { type: 'cancel', by: 'user' })
    await call.hungUp
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(await record(hash)).toMatchObject({ status: 'cancelled', error_data: null, result_data: null })
  })

  test('a request cancelled before its first attempt never reaches the bot', async () => {
    const hash = await makeRecord(STEADY)
    bot.replies(hash, success())
    await apply(hash, { type: 'cancel', by: 'user' })
    await queues.add(aRecord({ hash }), { queue: creditScoreRating.queue })
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(bot.calls(hash)).toEqual([])
    expect(await record(hash)).toMatchObject({ status: 'cancelled', attempt: 0 })
  })

  test('a cancel between two attempts leaves no job behind', async () => {
    const { hash } = await submit({
      service: PATIENT,
      replies: [failure('portal_down', { retryable: true })],
    })
    await eventually(async () =>
      expect(await redis.zscore(`${PREFIX}:inquiries:delayed`, hash)).not.toBeNull(),
    )
    await apply(hash, { type: 'cancel', by: 'user' })
    // Its worker may have delayed the job at the same time, and then removes it itself.
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
  })

  test('a cancel that does not notify the queue still ends a request between two attempts', async () => {
    const { hash } = await submit({
      service: PATIENT,
      replies: [failure('portal_down', { retryable: true }), success()],
    })
    await eventually(async () => expect((await record(hash)).next_retry_at).not.toBeNull())
    // Without notifying the queue.
    expect(await store.apply(hash, { type: 'cancel', by: 'operator' })).toMatchObject({ ok: true })
    const cancelled = await record(hash)
    expect(cancelled).toMatchObject({ status: 'cancelled', next_retry_at: null })

    const queue = new Queue('inquiries', { connection: redis, prefix: PREFIX })
    // The job is missing if the worker saw the cancel before it delayed the job.
    await eventually(async () => (await queue.getJob(hash))?.promote())
    await queue.close()
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(bot.calls(hash)).toHaveLength(1)
    expect(await record(hash)).toEqual(cancelled)
  })
})

describe('a request that another worker has taken over', () => {
  test('a request taken over by another worker has its call closed, and nothing more is written', async () => {
    const { hash } = await submit({ replies: [silence] })
    const call = await bot.call(hash)
    await apply(hash, { type: 'start', attempt: 2 })
    await call.hungUp
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(await record(hash)).toMatchObject({ status: 'processing', attempt: 2, next_retry_at: null })
  })

  test('a request taken over by another worker ignores a late answer', async () => {
    for (const reply of [success('too late'), failure('too_late', { retryable: true }), smsSent()]) {
      // The answer is sent while the take-over is written: only one of them can take effect.
      const { hash, views } = await submit({
        replies: [
          async (res, call) => {
            await apply(hash, { type: 'start', attempt: 2 })
            await reply(res, call)
          },
        ],
      })
      await eventually(async () => expect(await queueContents()).not.toContain(hash))
      expect(await record(hash)).toMatchObject({
        status: 'processing',
        attempt: 2,
        version: 3,
        result_data: null,
      })
      expect(views.map((view) => view.version)).toEqual([2, 3])
    }
  })
})
