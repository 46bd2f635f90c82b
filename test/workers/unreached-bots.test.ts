/** A worker on a real queue, and a foreign bot that it does not reach. */
import { describe, expect, test } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { eventually } from '../helpers/eventually.ts'
import { linkCheck } from '../helpers/services.ts'
import { failure, html, json, refusedWith, startForeignBot, success } from './foreign-bot.ts'
import { TOKEN } from './one-bot.ts'
import { delayOf, MEASURED, ONCE, PREFIX, useRequestWorker } from './request-worker-setup.ts'

const { redis, bot, startWorker, submit, record, ended, apply, queueContents } = await useRequestWorker()

describe('a bot that is unreachable', () => {
  test('an unreachable bot is called again until it is back', async () => {
    const stopped = await startForeignBot()
    await stopped.stop()
    const other = startWorker({ queue: linkCheck.queue, url: stopped.url })
    const { hash, views } = await submit({ service: ONCE, queue: linkCheck.queue })
    await eventually(() => expect(views.some((view) => view.next_retry_at)).toBe(true))
    const back = await startForeignBot(Number(new URL(stopped.url).port))
    back.replies(hash, success('back again'))
    expect(await ended(hash)).toMatchObject({ status: 'completed', result_data: 'back again' })
    await other.stop()
    await back.stop()
  })

  test('an unreachable bot fails the request once the next attempt would be due after the deadline', async () => {
    const stopped = await startForeignBot()
    await stopped.stop()
    const other = startWorker({ queue: linkCheck.queue, url: stopped.url, timeoutSeconds: 5.5 })
    const { hash, views } = await submit({ service: MEASURED, queue: linkCheck.queue })
    const failed = await ended(hash)
    expect(failed).toMatchObject({
      status: 'failed',
      error_data: {
        code: 'bot_unavailable',
        message: 'The service could not be reached.',
        retryable: true,
      },
    })
    // Before the deadline.
    expect(Date.parse(failed.completed_at ?? '')).toBeLessThan(Date.parse(failed.deadline_at ?? ''))
    // After 0.2, 0.4, 0.8 and 1.6 s; another 3.2 s would exceed the limit.
    expect(views.filter((view) => view.next_retry_at)).toHaveLength(4)
    await other.stop()
  })
})

test('a request that a stopping bot refuses goes to another bot at once, whatever its Retry-After', async () => {
  const [stopping, other] = [await startForeignBot(), await startForeignBot()]
  let isAvoided = false
  const bots = {
    choose: async () => ({
      url: isAvoided ? other.url : stopping.url,
      tokens: [TOKEN],
      release: async () => {},
    }),
    avoid() {
      isAvoided = true
      return true
    },
    trust: () => {},
  }
  const { hash } = await submit({ service: ONCE, queue: linkCheck.queue })
  const refusal = { status: 'error', code: 'bot_stopping', message: 'Back soon.', retryable: true }
  const headers = { 'content-type': 'application/json', 'retry-after': '60' }
  stopping.replies(hash, refusedWith(503, headers, JSON.stringify(refusal)))
  other.replies(hash, success('by the other one'))
  const worker = startWorker({ queue: linkCheck.queue, bots })
  expect(await ended(hash)).toMatchObject({ status: 'completed', result_data: 'by the other one' })
  for (const part of [worker, stopping, other]) await part.stop()
})

describe('an attempt that did not reach the bot', () => {
  const stopping = json(
    { status: 'error', code: 'bot_stopping', message: 'Back soon.', retryable: true },
    503,
  )

  test('an attempt that did not reach the bot does not count, also for a service with one try', async () => {
    const away = [html(503), html(429), stopping, json({ busy: true }, 503), html(429)]
    const { hash, views } = await submit({ service: ONCE, replies: [...away, success('at last')] })
    expect(await ended(hash)).toMatchObject({
      status: 'completed',
      attempt: 6,
      max_attempts: 6,
      result_data: 'at last',
    })
    expect(views.map((view) => view.max_attempts >= view.attempt)).not.toContain(false)
    // The attempt number, which fences, rises all the same.
    expect(bot.calls(hash).map((call) => call.headers['x-attempt'])).toEqual(['1', '2', '3', '4', '5', '6'])
  })

  test('attempts that did not reach the bot leave the planned tries to those that do', async () => {
    const broken = failure('portal_down', { retryable: true })
    const { hash, views } = await submit({
      service: MEASURED,
      replies: [html(503), broken, html(429), broken, broken, success()],
    })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 5,
      max_attempts: 5,
      error_data: { code: 'portal_down' },
    })
    // Only attempts that count extend the delay.
    const failed = views.filter(
      (view) => view.current_message === 'It was portal_down.' && view.next_retry_at,
    )
    expect(failed.map(delayOf).map((wait) => Math.round(wait / 10) * 10)).toEqual([200, 400])
  })

  test('a job is delayed any number of times without a count of BullMQ rising', async () => {
    const { hash } = await submit({ service: ONCE, replies: Array.from({ length: 8 }, () => html(503)) })
    await eventually(async () => expect((await record(hash)).attempt).toBeGreaterThan(7))
    const job = await redis.hgetall(`${PREFIX}:inquiries:${hash}`)
    expect({ made: job.atm ?? '0', stalled: job.stc ?? '0', failed: job.failedReason }).toEqual({
      made: '0',
      stalled: '0',
      failed: undefined,
    })
    await apply(hash, { type: 'cancel', by: 'user' })
  })

  test('an attempt that did not reach the bot publishes the reason: busy, unavailable, or the bot’s message', async () => {
    const ownWords = json({ status: 'error', code: 'busy', message: 'Come again.', retryable: false }, 429)
    for (const [reply, message] of [
      [html(429), 'The service was too busy.'],
      [html(503), 'The service could not be reached.'],
      [ownWords, 'Come again.'],
    ] as const) {
      const { hash, views } = await submit({ replies: [reply, success()] })
      expect((await ended(hash)).status).toBe('completed')
      expect(views.find((view) => view.next_retry_at)?.current_message).toBe(message)
    }
  })

  test('the next attempt waits for Retry-After, in seconds or as a date, and at most 10 % longer', async () => {
    const inASecond = { date: new Date(0).toUTCString(), 'retry-after': new Date(1000).toUTCString() }
    await Promise.all(
      [
        refusedWith(429, { 'retry-after': '1' }),
        refusedWith(503, { 'retry-after': '1' }),
        refusedWith(429, inASecond),
      ].map(async (reply) => {
        const { hash, views } = await submit({ replies: [reply, success()] })
        const asked = await bot.call(hash)
        const again = await bot.call(hash, 2)
        expect(again.at - asked.at).toBeGreaterThanOrEqual(990)
        expect((await ended(hash)).status).toBe('completed')
        const wait = delayOf(views.find((view) => view.next_retry_at) as PublicView)
        expect(wait).toBeGreaterThan(990)
        expect(wait).toBeLessThanOrEqual(1100)
      }),
    )
  })

  test('a Retry-After beyond the deadline fails the request immediately', async () => {
    const { hash, views } = await submit({ replies: [refusedWith(429, { 'retry-after': '31' }), success()] })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 1,
      error_data: {
        code: 'bot_busy',
        message: 'The service was too busy.',
        retryable: true,
      },
    })
    expect(views.some((view) => view.next_retry_at)).toBe(false)
    expect(bot.calls(hash)).toHaveLength(1)
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
  })
})
