/** A real worker on a real queue, calling a foreign bot over HTTP. */
import { Queue } from 'bullmq'
import { afterAll, describe, expect, test } from 'vitest'
import { createOtpMailbox } from '../../core/actions/otp-mailbox.ts'
import { createCatalog } from '../../core/catalog/catalog.ts'
import type { Service, ServiceDefinition } from '../../core/catalog/service-definition.ts'
import type { Command } from '../../core/domain/command.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { AppError } from '../../core/domain/errors.ts'
import { isFinal, type PublicView, type RequestRecord } from '../../core/domain/record.ts'
import { createSecretBox } from '../../core/domain/secret-box.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../../core/pubsub/request-watcher.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { encodeRecord } from '../../core/records/codec.ts'
import { MAX_STORED_DEPTH } from '../../core/records/json-limits.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import { keepEarlyCode } from '../../core/store/early-codes.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { createSubjectLimiter } from '../../core/store/subject-limits.ts'
import { createBotClient } from '../../workers/bot-client.ts'
import { createRequestWorker, type RequestWorkerDeps } from '../../workers/request-worker.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, aRecord, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { creditScoreRating, linkCheck, toService } from '../helpers/services.ts'
import {
  endless,
  failure,
  halfAnAnswer,
  html,
  json,
  later,
  type Reply,
  refusedWith,
  silence,
  slowly,
  smsSent,
  startForeignBot,
  success,
  twice,
  useForeignBot,
} from './foreign-bot.ts'
import { onlyBot, TOKEN } from './one-bot.ts'

const PREFIX = 'halfway'

const aService = (slug: string, fields: Partial<ServiceDefinition> = {}): Service =>
  toService({
    slug,
    title: slug,
    steps: ['first', 'second'].map((id) => ({ id, title: id })),
    backoff: { seconds: 0.02, jitter: 0 },
    queue: creditScoreRating.queue,
    ...fields,
  })

const STEADY = aService('steady')
/** With a very short time limit. */
const HURRIED = { ...aService('hurried'), limit_seconds: 0.15 }
/** With a retry delay longer than any test. */
const PATIENT = aService('patient', { backoff: { seconds: 25, jitter: 0 } })
/** With retry delays long enough to be distinguished from the time that writing takes. */
const MEASURED = aService('measured', { backoff: { seconds: 0.2, jitter: 0 } })
const ONCE = aService('once', { tries: 1 })
const services = createCatalog([STEADY, HURRIED, PATIENT, MEASURED, ONCE])

const { connections } = await useRedis()
const redis = await connections.connect('patient')
const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
const channels = createChannelSubscriber({
  redis,
  subscriber: await connections.connect('subscriber'),
  log: quiet,
})
const watcher = createRequestWatcher({ store, channels, log: quiet, ttlSeconds: TTL_SECONDS })
const otpMailbox = createOtpMailbox({ redis, channels, store })
const deadlineIndex = createDeadlineIndex({ redis })
const subjectLimiter = createSubjectLimiter({ redis, limits: { codesPerHour: 5, wrongCodesPerHour: 10 } })
const queues = createQueues({
  redis,
  log: quiet,
  queueList: () => [creditScoreRating.queue, linkCheck.queue],
})
const bot = await useForeignBot()

const startWorker = ({ url = bot.url, ...fields }: Partial<RequestWorkerDeps> & { url?: string } = {}) => {
  const client = createBotClient()
  const worker = createRequestWorker({
    queue: creditScoreRating.queue,
    queues,
    redis,
    store,
    watcher,
    otpMailbox,
    deadlineIndex,
    subjectLimiter,
    bot: client,
    bots: onlyBot(url),
    secretBox: createSecretBox(TOKEN),
    catalog: services,
    concurrency: 10,
    timeoutSeconds: 30,
    drainMs: 5000,
    log: quiet,
    now: Date.now,
    ...fields,
  })
  return {
    isConsuming: worker.isConsuming,
    async stop() {
      await worker.stop()
      await client.stop()
    },
  }
}

const worker = startWorker({ drainMs: 0 })
afterAll(async () => {
  await worker.stop()
  watcher.stop()
  channels.stop()
  await queues.stop()
})

/** A record without its job. */
async function makeRecord(service: Service, ttlSeconds = TTL_SECONDS): Promise<string> {
  const now = Date.now()
  const hash = aHash(now)
  const requestData = { mobile: '09123456789' }
  await store.create(createRecord({ hash, service, requestData, sessionId: 'a-session', now, ttlSeconds }))
  return hash
}

/** Submits a request as the server does, and collects every view published from then on. */
async function submit({
  service = STEADY,
  queue = creditScoreRating.queue,
  replies = [] as Parameters<typeof bot.replies>[1][],
} = {}) {
  const hash = await makeRecord(service)
  bot.replies(hash, ...replies)
  const views: PublicView[] = []
  await watcher.watch(hash, { onUpdate: ({ view }) => views.push(view), onExpired: () => {} })
  await queues.add(await record(hash), { queue })
  return { hash, views }
}

async function record(hash: string): Promise<RequestRecord> {
  const stored = await store.read(hash)
  if (!stored) throw new Error('the record is missing')
  return stored.record
}

const ended = (hash: string): Promise<RequestRecord> => {
  return eventually(async () => {
    const found = await record(hash)
    expect(isFinal(found.status), found.status).toBe(true)
    return found
  })
}

const inStatus = (hash: string, status: RequestRecord['status']): Promise<RequestRecord> =>
  eventually(async () => {
    const found = await record(hash)
    expect(found.status).toBe(status)
    return found
  })

/** The delay before the next attempt, as the view states it, in milliseconds. */
const delayOf = (view: PublicView): number =>
  Date.parse(view.next_retry_at ?? '') - Date.parse(view.updated_at)

/** Writes what a bot or the server would write meanwhile. */
async function apply(hash: string, command: Command): Promise<void> {
  const outcome = await store.apply(hash, command)
  expect(outcome).toMatchObject({ ok: true })
  // As the server does.
  if (command.type === 'submit_otp' || command.type === 'resend_otp')
    await queues.promote(await record(hash), { queue: creditScoreRating.queue })
  if (command.type === 'cancel') await queues.remove(hash, creditScoreRating.queue).catch(() => {})
}

/** The contents of the queues, without their event streams, which hold ids only and are trimmed by BullMQ. */
const queueContents = async (): Promise<string> => {
  await redis.del(`${PREFIX}:inquiries:events`, `${PREFIX}:crawls:events`)
  const contents = ['inquiries', 'crawls'].map((queue) => redisContents(redis, `${PREFIX}:${queue}:*`))
  return (await Promise.all(contents)).join()
}

describe('a job', () => {
  test('a job becomes one call of the bot, whose answer becomes the result', async () => {
    const { hash } = await submit({ replies: [success({ score: 712 })] })
    expect(await ended(hash)).toMatchObject({
      status: 'completed',
      progress: 100,
      attempt: 1,
      result_data: { score: 712 },
      error_data: null,
    })
    expect(bot.calls(hash)).toHaveLength(1)
    const call = await bot.call(hash)
    expect(call).toMatchObject({ method: 'POST', path: '/api/services/steady' })
    expect(call.headers).toMatchObject({
      authorization: `Bearer ${TOKEN}`,
      'idempotency-key': hash,
      'x-attempt': '1',
      'content-type': 'application/json',
    })
    expect(call.body).toEqual({ mobile: '09123456789', requestHash: hash })
  })

  test('a job holds nothing but the hash, and leaves nothing in the queue', async () => {
    const open = later()
    const { hash } = await submit({ replies: [open.reply] })
    await bot.call(hash)
    expect(JSON.parse((await redis.hget(`${PREFIX}:inquiries:${hash}`, 'data')) ?? '')).toEqual({})
    expect(await queueContents()).not.toContain('09123456789')
    open.answer(success())
    await ended(hash)
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
  })

  test('a job without a record is removed without a call', async () => {
    const hash = aHash()
    await queues.add(aRecord({ hash }), { queue: creditScoreRating.queue })
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(bot.calls(hash)).toEqual([])
  })

  test('ten jobs run concurrently', async () => {
    const open = later()
    const requests = await Promise.all(Array.from({ length: 10 }, () => submit({ replies: [open.reply] })))
    await Promise.all(requests.map(({ hash }) => bot.call(hash)))
    open.answer(success())
    for (const { hash } of requests) expect((await ended(hash)).status).toBe('completed')
  })
})

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

describe('an error', () => {
  test('a retryable error is published with the time of the next attempt, and retried', async () => {
    const { hash, views } = await submit({
      service: MEASURED,
      replies: [failure('portal_down', { retryable: true }), success('at last')],
    })
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 2, result_data: 'at last' })

    const waiting = views.find((view) => view.next_retry_at !== null)
    expect(waiting).toMatchObject({
      status: 'processing',
      attempt: 1,
      current_message: 'It was portal_down.',
      error_data: null,
    })
    expect(waiting && delayOf(waiting)).toBeCloseTo(200, -2)
    expect(views.at(-1)).toMatchObject({ next_retry_at: null })
    expect(bot.calls(hash).map((call) => call.headers['x-attempt'])).toEqual(['1', '2'])
  })

  test('a retryable error of the last attempt fails the request with the bot’s error', async () => {
    const again = failure('portal_down', { retryable: true })
    const { hash, views } = await submit({ service: MEASURED, replies: [again, again, again, success()] })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 3,
      error_data: { code: 'portal_down', message: 'It was portal_down.', retryable: true },
      next_retry_at: null,
    })
    expect(bot.calls(hash)).toHaveLength(3)
    // Twice as long each time.
    const waits = views.filter((view) => view.next_retry_at !== null).map(delayOf)
    expect(waits).toHaveLength(2)
    expect(waits[0]).toBeCloseTo(200, -2)
    expect(waits[1]).toBeCloseTo(400, -2)
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
  })

  test('an error that is not retryable fails the request immediately', async () => {
    const { hash } = await submit({
      replies: [failure('not_registered', { message: 'This number is not registered.' })],
    })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 1,
      error_data: { code: 'not_registered', message: 'This number is not registered.', retryable: false },
    })
    expect(bot.calls(hash)).toHaveLength(1)
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
  })

  test('a bot error whose code mentions stalling is retried like any other', async () => {
    const { hash } = await submit({ replies: [failure('portal_stalled', { retryable: true }), success()] })
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 2 })
  })

  test('an error of a proxy, a failing server or a broken connection is retried', async () => {
    for (const reply of [html(502), json({ oops: true }, 500), halfAnAnswer]) {
      const { hash } = await submit({ replies: [reply, success()] })
      expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 2, max_attempts: 3 })
    }
  })

  test('a connection that breaks at every attempt fails the request as bot_unavailable', async () => {
    const { hash } = await submit({ replies: [halfAnAnswer, halfAnAnswer, halfAnAnswer, success()] })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 3,
      max_attempts: 3,
      error_data: { code: 'bot_unavailable' },
    })
  })

  test('a refused token or an invalid answer fails the request with a readable message', async () => {
    for (const [reply, code] of [
      [html(401), 'bot_unauthorized'],
      [html(200), 'bot_bad_answer'],
      [json({ ok: true }), 'bot_bad_answer'],
      [endless, 'bot_bad_answer'],
      [html(404), 'bot_bad_answer'],
    ] as const) {
      const { hash } = await submit({ replies: [reply] })
      const { status, error_data } = await ended(hash)
      expect({ status, ...error_data }).toMatchObject({ status: 'failed', code, retryable: false })
      expect(error_data?.message).toMatch(/^[A-Z].+ \w+\.?$/)
      expect(bot.calls(hash)).toHaveLength(1)
    }
  })

  test('a result over 256 kB fails the request with both sizes', async () => {
    const { hash } = await submit({ replies: [success('x'.repeat(300_000))] })
    const { status, error_data } = await ended(hash)
    expect({ status, ...error_data }).toMatchObject({
      status: 'failed',
      code: 'result_too_large',
      retryable: false,
    })
    expect(error_data?.message).toMatch(/300002 .*262144/)
  })
})

describe('an answer that cannot be stored', () => {
  test.each([
    [`nested ${MAX_STORED_DEPTH + 1} levels deep`, MAX_STORED_DEPTH + 1],
    ['nested so deep that it cannot be written as JSON', 100_000],
  ])('an answer %s fails the request, and the bot is called once', async (_why, depth) => {
    const deep: Reply = (res) =>
      res.end(`{"status":"success","data":${'['.repeat(depth)}${']'.repeat(depth)}}`)
    const { hash } = await submit({ replies: [deep, deep, deep] })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 1,
      error_data: { code: 'result_too_large', retryable: false },
    })
    expect((await record(hash)).error_data?.message).toContain(`${MAX_STORED_DEPTH} levels`)
    expect(bot.calls(hash)).toHaveLength(1)
  })

  test('an answer at the nesting limit is stored, with lone surrogates and brackets in strings', async () => {
    const data = {
      deep: JSON.parse(`${'['.repeat(MAX_STORED_DEPTH - 1)}${']'.repeat(MAX_STORED_DEPTH - 1)}`),
      text: `\ud800 ${'[{"'.repeat(600)}`,
    }
    const { hash } = await submit({ replies: [success(data)] })
    expect(await ended(hash)).toMatchObject({ status: 'completed', result_data: data })
  })
})

describe('a bug in an attempt', () => {
  test('an unexpected error in an attempt counts as a failure', async () => {
    const broken: typeof store = {
      ...store,
      apply: (hash, command, options) =>
        command.type === 'complete'
          ? Promise.reject(new TypeError('no such thing'))
          : store.apply(hash, command, options),
    }
    const other = startWorker({ queue: linkCheck.queue, store: broken })
    const { hash } = await submit({
      queue: linkCheck.queue,
      replies: [success(), success(), success(), success()],
    })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 3,
      error_data: { code: 'internal_error' },
    })
    expect(bot.calls(hash)).toHaveLength(3)
    await other.stop()
  })
})

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
    const other = startWorker({ queue: linkCheck.queue, url: stopped.url, timeoutSeconds: 2.4 })
    const { hash, views } = await submit({ service: MEASURED, queue: linkCheck.queue })
    const failed = await ended(hash)
    expect(failed).toMatchObject({
      status: 'failed',
      error_data: {
        code: 'bot_unavailable',
        message: 'The service that does the work could not be reached',
        retryable: true,
      },
    })
    // Before the deadline.
    expect(Date.parse(failed.completed_at ?? '')).toBeLessThan(Date.parse(failed.deadline_at ?? ''))
    // After 0.2, 0.4 and 0.8 s; another 1.6 s would exceed the limit.
    expect(views.filter((view) => view.next_retry_at)).toHaveLength(3)
    await other.stop()
  })
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
      [html(429), 'The service that does the work was too busy'],
      [html(503), 'The service that does the work could not be reached'],
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
        message: 'The service that does the work was too busy',
        retryable: true,
      },
    })
    expect(views.some((view) => view.next_retry_at)).toBe(false)
    expect(bot.calls(hash)).toHaveLength(1)
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
  })
})

describe('a bot that misbehaves', () => {
  test('an answer byte by byte, or sent twice, is accepted', async () => {
    for (const reply of [slowly(success('patience')), twice(success('patience'), failure('late'))]) {
      const { hash } = await submit({ replies: [reply] })
      expect(await ended(hash)).toMatchObject({ status: 'completed', result_data: 'patience' })
    }
  })

  test('a redirect of a bot is not followed', async () => {
    const elsewhere: typeof silence = (res) => res.writeHead(307, { location: bot.url }).end()
    const { hash } = await submit({ service: ONCE, replies: [elsewhere, success('there')] })
    expect(await ended(hash)).toMatchObject({ status: 'failed', error_data: { code: 'bot_unavailable' } })
    expect(bot.calls(hash)).toHaveLength(1)
  })

  test('an answer after the cancel is ignored', async () => {
    const open = later()
    const { hash } = await submit({ replies: [open.reply] })
    await bot.call(hash)
    await apply(hash, { type: 'cancel', by: 'user' })
    open.answer(success('too late'))
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(await record(hash)).toMatchObject({ status: 'cancelled', result_data: null })
  })
})

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
      error_data: { code: 'worker_lost', message: 'The work was lost on our side' },
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
      error_data: { code: 'timed_out', message: 'It took longer than 0.15 seconds.', retryable: true },
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
    expect((await ended(own.hash)).error_data?.message).toBe('It took longer than 0.15 seconds.')
    expect((await ended(none.hash)).error_data?.message).toBe('It took longer than 0.1 seconds.')
    await other.stop()
  })

  test('the time limit is paused while an open call waits for a code', async () => {
    const open = later()
    const { hash } = await submit({ service: HURRIED, replies: [open.reply] })
    await bot.call(hash)
    await apply(hash, { type: 'require_otp', attempt: 1, otp: { id: 'otp-1', expires_in: 0.4 } })
    // Expires long after the time limit.
    expect(await otpMailbox.waitFor(hash)).toEqual({ refused: 'otp_expired' })
    open.answer(success('with patience'))
    expect(await ended(hash)).toMatchObject({ status: 'completed', result_data: 'with patience' })
  })

  test('the time limit is paused between two calls, and continues once the code is submitted', async () => {
    const { hash } = await submit({ service: HURRIED, replies: [smsSent(), silence] })
    await inStatus(hash, 'otp_required')
    const asked = performance.now()
    await eventually(() => expect(performance.now() - asked).toBeGreaterThan(250))
    await apply(hash, { type: 'submit_otp', otp: '123456' })
    await (await bot.call(hash, 2)).hungUp
    expect(await ended(hash)).toMatchObject({ status: 'failed', error_data: { code: 'timed_out' } })
  })
})

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
    const { hash } = await submit({ replies: [slowly(smsSent({ length: 6 })), success()] })
    await bot.call(hash)
    const { record } = await store.get(hash)
    await keepEarlyCode(redis, record, '483920')
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
    const later = createRequestStore({ redis, ttlSeconds: TTL_SECONDS, now: () => Date.now() + 31_000 })
    expect(await later.apply(hash, { type: 'resend_otp' })).toMatchObject({ ok: true })
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
    expect(views.at(-1)).toMatchObject({
      status: 'processing',
      current_message: 'The work was interrupted by a restart on our side',
      message_key: 'worker_stopping',
      max_attempts: 4,
    })
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
