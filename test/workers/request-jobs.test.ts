/** A worker on a real queue: jobs outside the usual path, the time limit, and the stop of the worker. */
import { Queue } from 'bullmq'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { creditScoreRating, linkCheck } from '../helpers/services.ts'
import { failure, later, silence, smsSent, success } from './foreign-bot.ts'
import { delayOf, HURRIED, PATIENT, PREFIX, STEADY, useRequestWorker } from './request-worker-setup.ts'

const {
  redis,
  store,
  otpMailbox,
  queues,
  bot,
  startWorker,
  submit,
  record,
  ended,
  inStatus,
  apply,
  queueContents,
} = await useRequestWorker()

describe('a job outside the usual path', () => {
  test('a job that runs too early is delayed again without a call', async () => {
    const { hash } = await submit({
      service: PATIENT,
      replies: [failure('portal_down', { retryable: true }), success()],
    })
    const queue = new Queue('inquiries', { connection: redis, prefix: PREFIX })
    const isDelayed = () => eventually(async () => expect(await queue.getJobState(hash)).toBe('delayed'))
    await isDelayed()
    const waiting = await record(hash)
    const before = await queue.getJob(hash)
    await queues.promote(await record(hash), { queue: creditScoreRating.queue })
    await eventually(async () =>
      expect((await queue.getJob(hash))?.attemptsStarted).toBe((before?.attemptsStarted ?? 0) + 1),
    )
    await isDelayed()
    const due = Math.floor(Number(await redis.zscore(`${PREFIX}:inquiries:delayed`, hash)) / 0x1000)
    expect(Math.abs(due - Date.parse(waiting.next_retry_at ?? ''))).toBeLessThan(50)
    await queue.close()
    expect(await record(hash)).toEqual(waiting)
    expect(bot.calls(hash)).toHaveLength(1)
    await apply(hash, { type: 'cancel', by: 'user' })
  })

  test('a job that stalled too often fails the request as worker_lost', async () => {
    const { hash } = await submit({ queue: linkCheck.queue })
    await redis.hset(`${PREFIX}:crawls:${hash}`, 'defa', 'job stalled more than allowable limit')
    const other = startWorker({ queue: linkCheck.queue })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      error_data: { code: 'worker_lost', message: 'The work was lost on our side.' },
    })
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    await other.stop()
  })

  test('a job whose handler throws is delayed for a later run', async () => {
    const full: typeof store = { ...store, read: () => Promise.reject(new AppError('storage_unavailable')) }
    const { hash } = await submit({ queue: linkCheck.queue })
    const other = startWorker({ queue: linkCheck.queue, store: full })
    await eventually(async () => expect(await redis.zscore(`${PREFIX}:crawls:delayed`, hash)).not.toBeNull())
    await other.stop()
    expect(await record(hash)).toMatchObject({ status: 'pending' })
    await queues.remove(hash, linkCheck.queue)
  })

  test('a job whose record is unreadable is removed, and the record left as it is', async () => {
    const broken = () => Promise.reject(new AppError('unreadable_record'))
    const { hash } = await submit({ queue: linkCheck.queue })
    const other = startWorker({ queue: linkCheck.queue, store: { ...store, read: broken } })
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    await other.stop()
    expect(await record(hash)).toMatchObject({ status: 'pending' })
  })

  test('starting an attempt schedules a check by the rescuer', async () => {
    const { hash } = await submit({ replies: [silence] })
    await bot.call(hash)
    expect(Number(await redis.zscore(keys.deadlines, hash))).toBeGreaterThan(Date.now())
    await apply(hash, { type: 'cancel', by: 'user' })
  })
})

describe('the time limit', () => {
  test('the time limit fails the request, closes the call, and is not retried', async () => {
    const { hash } = await submit({ service: HURRIED, replies: [silence, success()] })
    await (await bot.call(hash)).hungUp
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 1,
      error_data: { code: 'timed_out', message: 'It took longer than 0.8 seconds.', retryable: true },
    })
    expect(bot.calls(hash)).toHaveLength(1)
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
  })

  test('the time limit of the settings applies to a service without its own', async () => {
    const other = startWorker({ queue: linkCheck.queue, timeoutSeconds: 0.1 })
    const [own, none] = await Promise.all([
      submit({ service: HURRIED, queue: linkCheck.queue, replies: [silence] }),
      submit({ service: STEADY, queue: linkCheck.queue, replies: [silence] }),
    ])
    expect((await ended(own.hash)).error_data?.message).toBe('It took longer than 0.8 seconds.')
    expect((await ended(none.hash)).error_data?.message).toBe('It took longer than 0.1 seconds.')
    await other.stop()
  })

  test('the time limit is paused while an open call waits for a code', async () => {
    const open = later()
    const { hash } = await submit({ service: HURRIED, replies: [open.reply] })
    await bot.call(hash)
    await apply(hash, { type: 'require_otp', attempt: 1, otp: { id: 'otp-1', expires_in: 1.5 } })
    // Expires long after the time limit.
    expect(await otpMailbox.waitFor(hash)).toEqual({ refused: 'otp_expired' })
    open.answer(success('with patience'))
    expect(await ended(hash)).toMatchObject({ status: 'completed', result_data: 'with patience' })
  })

  test('the time limit is paused between two calls, and continues once the code is submitted', async () => {
    const { hash } = await submit({ service: HURRIED, replies: [smsSent(), silence] })
    await inStatus(hash, 'otp_required')
    const asked = performance.now()
    await eventually(() => expect(performance.now() - asked).toBeGreaterThan(1000))
    await apply(hash, { type: 'submit_otp', otp: '123456' })
    await (await bot.call(hash, 2)).hungUp
    expect(await ended(hash)).toMatchObject({ status: 'failed', error_data: { code: 'timed_out' } })
  })
})

describe('a worker that is stopped', () => {
  test('a stopped worker takes no new job and finishes running attempts', async () => {
    const open = later()
    const other = startWorker({ queue: linkCheck.queue })
    const { hash } = await submit({ queue: linkCheck.queue, replies: [open.reply] })
    await bot.call(hash)
    const stopped = other.stop()
    expect(other.isConsuming()).toBe(false)
    const waiting = await submit({ queue: linkCheck.queue, replies: [success('by the next worker')] })
    open.answer(success('finished'))
    await stopped
    expect(await record(hash)).toMatchObject({ status: 'completed', result_data: 'finished' })
    expect(await record(waiting.hash)).toMatchObject({ status: 'pending' })

    const next = startWorker({ queue: linkCheck.queue })
    expect(await ended(waiting.hash)).toMatchObject({ result_data: 'by the next worker' })
    await next.stop()
  })

  test('a stopped worker leaves a job that it took at that moment to another worker', async () => {
    let onRead = (): void => {}
    const reading = new Promise<void>((resolve) => {
      onRead = resolve
    })
    let continueRead = (): void => {}
    const stopRequested = new Promise<void>((resolve) => {
      continueRead = resolve
    })
    const slow: typeof store = {
      ...store,
      async read(hash) {
        onRead()
        await stopRequested
        return store.read(hash)
      },
    }
    const other = startWorker({ queue: linkCheck.queue, store: slow })
    const { hash } = await submit({ queue: linkCheck.queue })
    await reading
    const stopped = other.stop()
    continueRead()
    await stopped
    expect(await record(hash)).toMatchObject({ status: 'pending' })
    expect(await queues.position(hash, linkCheck.queue)).toBe(1)
    expect(bot.calls(hash)).toEqual([])
    await queues.remove(hash, linkCheck.queue)
  })

  test('a stopped worker aborts an attempt that exceeds its drain time and leaves it to another worker', async () => {
    const other = startWorker({ queue: linkCheck.queue, drainMs: 0 })
    const { hash, views } = await submit({
      queue: linkCheck.queue,
      replies: [silence, success('by the next worker')],
    })
    const call = await bot.call(hash)
    await other.stop()
    await call.hungUp
    await eventually(() =>
      expect(views.at(-1)).toMatchObject({
        status: 'processing',
        current_message: 'The work was interrupted by a restart on our side.',
        message_key: 'worker_stopping',
        max_attempts: 4,
      }),
    )
    // Due immediately, for any worker.
    expect(delayOf(views.at(-1) as PublicView)).toBeLessThanOrEqual(0)

    const next = startWorker({ queue: linkCheck.queue })
    expect(await ended(hash)).toMatchObject({
      status: 'completed',
      attempt: 2,
      result_data: 'by the next worker',
    })
    await next.stop()
  })
})
