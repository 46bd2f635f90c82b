/** A real worker on a real queue, calling somebody else's bot over HTTP. */
import { Queue } from 'bullmq'
import { afterAll, describe, expect, test } from 'vitest'
import { createOtpMailbox } from '../../core/actions/otp-mailbox.ts'
import { defineService, type Service } from '../../core/catalog/define-service.ts'
import { crawlQueue, inquiryQueue } from '../../core/catalog/queue-definitions.ts'
import type { Command } from '../../core/domain/command.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { AppError } from '../../core/domain/errors.ts'
import { isFinal, type PublicView, type RequestRecord } from '../../core/domain/record.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../../core/pubsub/request-watcher.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { encodeRecord } from '../../core/records/codec.ts'
import { MAX_STORED_DEPTH } from '../../core/records/json-limits.ts'
import { createDeadlines } from '../../core/store/deadline-index.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { createSubjects } from '../../core/store/subject-limits.ts'
import { createBotClient } from '../../workers/bot-client.ts'
import { createRequestWorker, type RequestWorkerDeps } from '../../workers/request-worker.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, aRecord, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import {
  failure,
  halfAnAnswer,
  html,
  json,
  later,
  poured,
  type Reply,
  silence,
  slowly,
  smsSent,
  startForeignBot,
  success,
  turnedAway,
  twice,
  useForeignBot,
} from './foreign-bot.ts'

const PREFIX = 'halfway'
const TOKEN = 'a-token-of-the-tests'

const aService = (slug: string, fields: Partial<Service> = {}): Service =>
  defineService({
    slug,
    title: { en: slug, fa: slug },
    description: { en: slug, fa: slug },
    fields: [],
    steps: [{ id: 'first' }, { id: 'second' }].map((step) => ({
      ...step,
      title: { en: step.id, fa: step.id },
    })),
    estimatedSeconds: 60,
    tries: 3,
    backoff: { type: 'exponential', seconds: 0.02 },
    usesOtp: false,
    queue: inquiryQueue,
    ...fields,
  })

const STEADY = aService('steady')
/** One whose calls may take next to no time. */
const HURRIED = aService('hurried', { limitSeconds: 0.15 })
/** One that is tried again only after a time that no test waits for. */
const PATIENT = aService('patient', { backoff: { type: 'exponential', seconds: 25 } })
/** One whose waits between tries are long enough to be told apart from the time that writing takes. */
const MEASURED = aService('measured', { backoff: { type: 'exponential', seconds: 0.2 } })
const ONCE = aService('once', { tries: 1 })
const services = new Map([STEADY, HURRIED, PATIENT, MEASURED, ONCE].map((service) => [service.slug, service]))

const { connections } = await useRedis()
const redis = await connections.connect('patient')
const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
const bus = createChannelSubscriber({
  redis,
  subscriber: await connections.connect('subscriber'),
  log: quiet,
})
const watcher = createRequestWatcher({ store, bus, log: quiet, ttlSeconds: TTL_SECONDS })
const otpMailbox = createOtpMailbox({ redis, bus, store })
const deadlines = createDeadlines({ redis })
const subjects = createSubjects({ redis, limits: { codesPerHour: 5, wrongCodesPerHour: 10 } })
const queues = createQueues({ redis, log: quiet })
const bot = await useForeignBot()

const startWorker = ({ url = bot.url, ...fields }: Partial<RequestWorkerDeps> & { url?: string } = {}) => {
  const client = createBotClient({ url, token: TOKEN })
  const worker = createRequestWorker({
    queue: inquiryQueue,
    queues,
    redis,
    store,
    watcher,
    otpMailbox,
    deadlines,
    subjects,
    bot: client,
    findService: (slug) => services.get(slug),
    concurrency: 10,
    timeoutSeconds: 30,
    drainMs: 5000,
    log: quiet,
    now: Date.now,
    ...fields,
  })
  return {
    isTaking: worker.isConsuming,
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
  bus.stop()
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

/** Submits a request as the server does, and collects every state that is told from then on. */
async function submit({
  service = STEADY,
  queue = inquiryQueue,
  replies = [] as Parameters<typeof bot.replies>[1][],
} = {}) {
  const hash = await makeRecord(service)
  bot.replies(hash, ...replies)
  const told: PublicView[] = []
  await watcher.watch(hash, { update: ({ view }) => told.push(view), expired: () => {} })
  await queues.add(await record(hash), { queue })
  return { hash, told }
}

async function record(hash: string): Promise<RequestRecord> {
  const stored = await store.read(hash)
  if (!stored) throw new Error('the record is gone')
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

/** How long the next try is waited for, as the record says, in milliseconds. */
const waitOf = (view: PublicView): number =>
  Date.parse(view.next_retry_at ?? '') - Date.parse(view.updated_at)

/** What a bot or the server would write meanwhile. */
async function apply(hash: string, change: Command): Promise<void> {
  const outcome = await store.apply(hash, change)
  expect(outcome).toMatchObject({ ok: true })
  // As the server does.
  if (change.type === 'submit_otp' || change.type === 'resend_otp')
    await queues.promote(await record(hash), { queue: inquiryQueue })
  if (change.type === 'cancel') await queues.remove(hash, inquiryQueue).catch(() => {})
}

/** What the queue holds. Its events, ids only, are cut by themselves and left out. */
const queueContents = async (): Promise<string> => {
  await redis.del(`${PREFIX}:inquiries:events`, `${PREFIX}:crawls:events`)
  return redisContents(redis, `${PREFIX}:inquiries:*`)
}

describe('a job', () => {
  test('becomes one call of the bot, as the contract says, and its answer the result', async () => {
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

  test('holds nothing but its name, and leaves nothing in the queue', async () => {
    const open = later()
    const { hash } = await submit({ replies: [open.reply] })
    await bot.call(hash)
    expect(JSON.parse((await redis.hget(`${PREFIX}:inquiries:${hash}`, 'data')) ?? '')).toEqual({})
    expect(await queueContents()).not.toContain('09123456789')
    open.answer(success())
    await ended(hash)
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
  })

  test('without a record is nothing to do', async () => {
    const hash = aHash()
    await queues.add(aRecord({ hash }), { queue: inquiryQueue })
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(bot.calls(hash)).toEqual([])
  })

  test('that stands beside many others is worked on at the same time', async () => {
    const open = later()
    const requests = await Promise.all(Array.from({ length: 10 }, () => submit({ replies: [open.reply] })))
    await Promise.all(requests.map(({ hash }) => bot.call(hash)))
    open.answer(success())
    for (const { hash } of requests) expect((await ended(hash)).status).toBe('completed')
  })
})

describe('what the bot writes itself', () => {
  test('counts: its later answer changes nothing', async () => {
    const open = later()
    const { hash } = await submit({ replies: [open.reply] })
    await bot.call(hash)
    await apply(hash, { type: 'progress', attempt: 1, progress: 60, step: 'second', message: 'Working…' })
    await apply(hash, { type: 'complete', attempt: 1, result: { from: 'the updater' } })
    open.answer(success({ from: 'the answer' }))
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(await record(hash)).toMatchObject({ status: 'completed', result_data: { from: 'the updater' } })
  })

  test('survives a retry: the bar does not go back', async () => {
    const first = later()
    const { hash, told } = await submit({ replies: [first.reply, success()] })
    await bot.call(hash)
    await apply(hash, { type: 'progress', attempt: 1, progress: 60, step: 'second' })
    first.answer(failure('portal_down', { retryable: true }))
    await ended(hash)
    const progress = told.map((view) => view.progress)
    expect(progress).toEqual([...progress].sort((a, b) => a - b))
    expect(progress).toContain(60)
  })
})

describe('an error', () => {
  test('that may pass is told with the time of the next try, and tried again', async () => {
    const { hash, told } = await submit({
      service: MEASURED,
      replies: [failure('portal_down', { retryable: true }), success('at last')],
    })
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 2, result_data: 'at last' })

    const waiting = told.find((view) => view.next_retry_at !== null)
    expect(waiting).toMatchObject({
      status: 'processing',
      attempt: 1,
      current_message: 'It was portal_down.',
      error_data: null,
    })
    expect(waiting && waitOf(waiting)).toBeCloseTo(200, -2)
    expect(told.at(-1)).toMatchObject({ next_retry_at: null })
    expect(bot.calls(hash).map((call) => call.headers['x-attempt'])).toEqual(['1', '2'])
  })

  test('that does not pass ends the request with what the bot said, after the last try', async () => {
    const again = failure('portal_down', { retryable: true })
    const { hash, told } = await submit({ service: MEASURED, replies: [again, again, again, success()] })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 3,
      error_data: { code: 'portal_down', message: 'It was portal_down.', retryable: true },
      next_retry_at: null,
    })
    expect(bot.calls(hash)).toHaveLength(3)
    // Twice as long each time.
    const waits = told.filter((view) => view.next_retry_at !== null).map(waitOf)
    expect(waits).toHaveLength(2)
    expect(waits[0]).toBeCloseTo(200, -2)
    expect(waits[1]).toBeCloseTo(400, -2)
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
  })

  test('that cannot pass ends the request at once', async () => {
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

  test('whose code speaks of stalling is still only an error of the bot', async () => {
    const { hash } = await submit({ replies: [failure('portal_stalled', { retryable: true }), success()] })
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 2 })
  })

  test('of the way to the bot is tried again: a proxy, a failing server, a broken connection', async () => {
    for (const reply of [html(502), json({ oops: true }, 500), halfAnAnswer]) {
      const { hash } = await submit({ replies: [reply, success()] })
      expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 2, max_attempts: 3 })
    }
  })

  test('of a connection that breaks in the middle, every time, ends the request after the last try', async () => {
    const { hash } = await submit({ replies: [halfAnAnswer, halfAnAnswer, halfAnAnswer, success()] })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 3,
      max_attempts: 3,
      error_data: { code: 'bot_unavailable' },
    })
  })

  test('of the token, or an answer nobody understands, ends the request with words for the person', async () => {
    for (const [reply, code] of [
      [html(401), 'bot_unauthorized'],
      [html(200), 'bot_bad_answer'],
      [json({ ok: true }), 'bot_bad_answer'],
      [poured, 'bot_bad_answer'],
      [html(404), 'bot_bad_answer'],
    ] as const) {
      const { hash } = await submit({ replies: [reply] })
      const { status, error_data } = await ended(hash)
      expect({ status, ...error_data }).toMatchObject({ status: 'failed', code, retryable: false })
      expect(error_data?.message).toMatch(/^[A-Z].+ \w+\.?$/)
      expect(bot.calls(hash)).toHaveLength(1)
    }
  })

  test('of size: a result over 256 kB fails the request with both numbers', async () => {
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

describe('an answer that cannot be kept', () => {
  test.each([
    [`nested ${MAX_STORED_DEPTH + 1} levels deep`, MAX_STORED_DEPTH + 1],
    ['nested so deep that it cannot be written as JSON', 100_000],
  ])('because it is %s ends the request, and the bot is called once', async (_why, depth) => {
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

  test('is kept at the limit, with lone surrogates and strings that hold brackets', async () => {
    const data = {
      deep: JSON.parse(`${'['.repeat(MAX_STORED_DEPTH - 1)}${']'.repeat(MAX_STORED_DEPTH - 1)}`),
      text: `\ud800 ${'[{"'.repeat(600)}`,
    }
    const { hash } = await submit({ replies: [success(data)] })
    expect(await ended(hash)).toMatchObject({ status: 'completed', result_data: data })
  })
})

describe('a mistake of our own in an attempt', () => {
  test('counts like any other failure: the bot is called as often as there are tries', async () => {
    const broken: typeof store = {
      ...store,
      apply: (hash, change, options) =>
        change.type === 'complete'
          ? Promise.reject(new TypeError('no such thing'))
          : store.apply(hash, change, options),
    }
    const other = startWorker({ queue: crawlQueue, store: broken })
    const { hash } = await submit({
      queue: crawlQueue,
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

describe('a bot that is away', () => {
  test('is called again, and has done its work when it is back', async () => {
    const gone = await startForeignBot()
    await gone.stop()
    const other = startWorker({ queue: crawlQueue, url: gone.url })
    const { hash, told } = await submit({ service: ONCE, queue: crawlQueue })
    await eventually(() => expect(told.some((view) => view.next_retry_at)).toBe(true))
    const back = await startForeignBot(Number(new URL(gone.url).port))
    back.replies(hash, success('back again'))
    expect(await ended(hash)).toMatchObject({ status: 'completed', result_data: 'back again' })
    await other.stop()
    await back.stop()
  })

  test('fails the request readably once the next try would come after the deadline', async () => {
    const gone = await startForeignBot()
    await gone.stop()
    const other = startWorker({ queue: crawlQueue, url: gone.url, timeoutSeconds: 2.4 })
    const { hash, told } = await submit({ service: MEASURED, queue: crawlQueue })
    const failed = await ended(hash)
    expect(failed).toMatchObject({
      status: 'failed',
      error_data: {
        code: 'bot_unavailable',
        message: 'The service that does the work could not be reached',
        retryable: true,
      },
    })
    // Nobody waited for nothing.
    expect(Date.parse(failed.completed_at ?? '')).toBeLessThan(Date.parse(failed.deadline_at ?? ''))
    // After 0.2, 0.4 and 0.8 seconds; 1.6 more would have been too many.
    expect(told.filter((view) => view.next_retry_at)).toHaveLength(3)
    await other.stop()
  })
})

describe('an attempt that never began', () => {
  const stopping = json(
    { status: 'error', code: 'bot_stopping', message: 'Back soon.', retryable: true },
    503,
  )

  test('is no attempt used up: a service that is tried once still has its one try', async () => {
    const away = [html(503), html(429), stopping, json({ busy: true }, 503), html(429)]
    const { hash, told } = await submit({ service: ONCE, replies: [...away, success('at last')] })
    expect(await ended(hash)).toMatchObject({
      status: 'completed',
      attempt: 6,
      max_attempts: 6,
      result_data: 'at last',
    })
    expect(told.map((view) => view.max_attempts >= view.attempt)).not.toContain(false)
    // The fence rises all the same.
    expect(bot.calls(hash).map((call) => call.headers['x-attempt'])).toEqual(['1', '2', '3', '4', '5', '6'])
  })

  test('leaves as many as there were before for those that begin', async () => {
    const broken = failure('portal_down', { retryable: true })
    const { hash, told } = await submit({
      service: MEASURED,
      replies: [html(503), broken, html(429), broken, broken, success()],
    })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 5,
      max_attempts: 5,
      error_data: { code: 'portal_down' },
    })
    // What failed waits as long as ever: only those that count make it longer.
    const failed = told.filter((view) => view.current_message === 'It was portal_down.' && view.next_retry_at)
    expect(failed.map(waitOf).map((wait) => Math.round(wait / 10) * 10)).toEqual([200, 400])
  })

  test('is put off however often: the queue counts nothing and never gives the job up', async () => {
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

  test('tells why: the service is busy, or cannot be reached, or what the bot itself says', async () => {
    const ownWords = json({ status: 'error', code: 'busy', message: 'Come again.', retryable: false }, 429)
    for (const [reply, message] of [
      [html(429), 'The service that does the work was too busy'],
      [html(503), 'The service that does the work could not be reached'],
      [ownWords, 'Come again.'],
    ] as const) {
      const { hash, told } = await submit({ replies: [reply, success()] })
      expect((await ended(hash)).status).toBe('completed')
      expect(told.find((view) => view.next_retry_at)?.current_message).toBe(message)
    }
  })

  test('waits at least as long as the bot wants, said in seconds or as a date, and little more', async () => {
    const inASecond = { date: new Date(0).toUTCString(), 'retry-after': new Date(1000).toUTCString() }
    await Promise.all(
      [
        turnedAway(429, { 'retry-after': '1' }),
        turnedAway(503, { 'retry-after': '1' }),
        turnedAway(429, inASecond),
      ].map(async (reply) => {
        const { hash, told } = await submit({ replies: [reply, success()] })
        const asked = await bot.call(hash)
        const again = await bot.call(hash, 2)
        expect(again.at - asked.at).toBeGreaterThanOrEqual(990)
        expect((await ended(hash)).status).toBe('completed')
        const wait = waitOf(told.find((view) => view.next_retry_at) as PublicView)
        expect(wait).toBeGreaterThan(990)
        expect(wait).toBeLessThanOrEqual(1100)
      }),
    )
  })

  test('ends the request at once when the bot wants to be left alone beyond the deadline', async () => {
    const { hash, told } = await submit({ replies: [turnedAway(429, { 'retry-after': '31' }), success()] })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 1,
      error_data: {
        code: 'bot_busy',
        message: 'The service that does the work was too busy',
        retryable: true,
      },
    })
    expect(told.some((view) => view.next_retry_at)).toBe(false)
    expect(bot.calls(hash)).toHaveLength(1)
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
  })
})

describe('a bot that misbehaves', () => {
  test('and answers byte by byte, or twice, is understood', async () => {
    for (const reply of [slowly(success('patience')), twice(success('patience'), failure('late'))]) {
      const { hash } = await submit({ replies: [reply] })
      expect(await ended(hash)).toMatchObject({ status: 'completed', result_data: 'patience' })
    }
  })

  test('and sends elsewhere is not followed', async () => {
    const elsewhere: typeof silence = (res) => res.writeHead(307, { location: bot.url }).end()
    const { hash } = await submit({ service: ONCE, replies: [elsewhere, success('there')] })
    expect(await ended(hash)).toMatchObject({ status: 'failed', error_data: { code: 'bot_unavailable' } })
    expect(bot.calls(hash)).toHaveLength(1)
  })

  test('and answers after the request was cancelled is not heard', async () => {
    const open = later()
    const { hash } = await submit({ replies: [open.reply] })
    await bot.call(hash)
    await apply(hash, { type: 'cancel', by: 'user' })
    open.answer(success('too late'))
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(await record(hash)).toMatchObject({ status: 'cancelled', result_data: null })
  })
})

describe('a job whose way is not straight', () => {
  test('that comes before its time is put off again, and the bot left alone', async () => {
    const { hash } = await submit({
      service: PATIENT,
      replies: [failure('portal_down', { retryable: true }), success()],
    })
    const queue = new Queue('inquiries', { connection: redis, prefix: PREFIX })
    const isPutOff = () => eventually(async () => expect(await queue.getJobState(hash)).toBe('delayed'))
    await isPutOff()
    const waiting = await record(hash)
    const before = await queue.getJob(hash)
    await queues.promote(await record(hash), { queue: inquiryQueue })
    await eventually(async () =>
      expect((await queue.getJob(hash))?.attemptsStarted).toBe((before?.attemptsStarted ?? 0) + 1),
    )
    await isPutOff()
    const due = Math.floor(Number(await redis.zscore(`${PREFIX}:inquiries:delayed`, hash)) / 0x1000)
    expect(Math.abs(due - Date.parse(waiting.next_retry_at ?? ''))).toBeLessThan(50)
    await queue.close()
    expect(await record(hash)).toEqual(waiting)
    expect(bot.calls(hash)).toHaveLength(1)
    await apply(hash, { type: 'cancel', by: 'user' })
  })

  test('that stalled too often ends the request as lost', async () => {
    const { hash } = await submit({ queue: crawlQueue })
    await redis.hset(`${PREFIX}:crawls:${hash}`, 'defa', 'job stalled more than allowable limit')
    const other = startWorker({ queue: crawlQueue })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      error_data: { code: 'worker_lost', message: 'The work was lost on our side' },
    })
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    await other.stop()
  })

  test('that could not be worked on for an unforeseen reason is kept for a later try', async () => {
    const full: typeof store = { ...store, read: () => Promise.reject(new AppError('storage_unavailable')) }
    const { hash } = await submit({ queue: crawlQueue })
    const other = startWorker({ queue: crawlQueue, store: full })
    await eventually(async () => expect(await redis.zscore(`${PREFIX}:crawls:delayed`, hash)).not.toBeNull())
    await other.stop()
    expect(await record(hash)).toMatchObject({ status: 'pending' })
    await queues.remove(hash, crawlQueue)
  })

  test('whose record is nonsense is let go until it is mended', async () => {
    const broken = () => Promise.reject(new AppError('unreadable_record'))
    const { hash } = await submit({ queue: crawlQueue })
    const other = startWorker({ queue: crawlQueue, store: { ...store, read: broken } })
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    await other.stop()
    expect(await record(hash)).toMatchObject({ status: 'pending' })
  })

  test('that is worked on has a reminder, even if that was lost', async () => {
    const { hash } = await submit({ replies: [silence] })
    await bot.call(hash)
    expect(Number(await redis.zscore(keys.deadlines, hash))).toBeGreaterThan(Date.now())
    await apply(hash, { type: 'cancel', by: 'user' })
  })
})

describe('the time limit', () => {
  test('ends the request, hangs up on the bot, and is not tried again', async () => {
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

  test('is the one of the settings where the service has none of its own', async () => {
    const other = startWorker({ queue: crawlQueue, timeoutSeconds: 0.1 })
    const [own, none] = await Promise.all([
      submit({ service: HURRIED, queue: crawlQueue, replies: [silence] }),
      submit({ service: STEADY, queue: crawlQueue, replies: [silence] }),
    ])
    expect((await ended(own.hash)).error_data?.message).toBe('It took longer than 0.15 seconds.')
    expect((await ended(none.hash)).error_data?.message).toBe('It took longer than 0.1 seconds.')
    await other.stop()
  })

  test('stands still while the person looks for a code, during an open call', async () => {
    const open = later()
    const { hash } = await submit({ service: HURRIED, replies: [open.reply] })
    await bot.call(hash)
    await apply(hash, { type: 'require_otp', attempt: 1, otp: { id: 'otp-1', expires_in: 0.4 } })
    // Over long after the limit would have been.
    expect(await otpMailbox.waitFor(hash)).toEqual({ refused: 'otp_expired' })
    open.answer(success('with patience'))
    expect(await ended(hash)).toMatchObject({ status: 'completed', result_data: 'with patience' })
  })

  test('stands still between two calls, and goes on once the code is there', async () => {
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
  test('has the person asked, and is called again with what they typed', async () => {
    const told = { message: 'We sent you a code.', message_key: 'code_sent', message_params: { digits: 6 } }
    const prompt = { length: 6, sent_to: '0912***6789', ...told, expires_in: 90 }
    const { hash } = await submit({ replies: [smsSent(prompt), success({ score: 1 })] })
    const asked = await inStatus(hash, 'otp_required')
    expect(asked).toMatchObject({
      current_message: 'We sent you a code.',
      message_key: 'code_sent',
      message_params: { digits: 6 },
      otp_data: { length: 6, sent_to: '0912***6789', attempts_left: 3, ...told },
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

  test('may send another one: the person is asked again', async () => {
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

  test('holds no worker while the code is being waited for', async () => {
    const { hash } = await submit({ replies: [smsSent(), success()] })
    await inStatus(hash, 'otp_required')
    const queue = new Queue('inquiries', { connection: redis, prefix: PREFIX })
    await eventually(async () => expect(await queue.getJobState(hash)).toBe('delayed'))
    await queue.close()
    await apply(hash, { type: 'submit_otp', otp: '012345' })
    expect(await ended(hash)).toMatchObject({ status: 'completed', attempt: 1 })
  })

  test('leaves no job that outlasts the record', async () => {
    const hash = await makeRecord(STEADY, 2)
    bot.replies(hash, smsSent())
    await queues.add(await record(hash), { queue: inquiryQueue })
    await inStatus(hash, 'otp_required')
    await eventually(async () => expect(await redis.exists(keys.record(hash))).toBe(0))
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(bot.calls(hash)).toHaveLength(1)
  })

  test('is called again without a code when the person asks for another one', async () => {
    const { hash } = await submit({ replies: [smsSent(), smsSent(), success()] })
    const first = await inStatus(hash, 'otp_required')
    const later = createRequestStore({ redis, ttlSeconds: TTL_SECONDS, now: () => Date.now() + 31_000 })
    expect(await later.apply(hash, { type: 'resend_otp' })).toMatchObject({ ok: true })
    await queues.promote(await record(hash), { queue: inquiryQueue })
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

  test('that turns a code down has the person asked again, and the third time the request fails', async () => {
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

  test('is not called again when nobody types a code in time', async () => {
    const { hash } = await submit({ replies: [smsSent(), success()] })
    const asked = await inStatus(hash, 'otp_required')
    const longAgo = new Date(Date.now() - 301_000).toISOString()
    const prompt = { ...asked.otp_data, expires_at: longAgo }
    await redis.set(keys.record(hash), encodeRecord({ ...asked, otp_data: prompt } as RequestRecord))
    await queues.promote(await record(hash), { queue: inquiryQueue })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 1,
      error_data: { code: 'otp_expired', message: 'The time for the code is over' },
    })
    expect(bot.calls(hash)).toHaveLength(1)
  })

  test('is not called again when the person cancels instead', async () => {
    const { hash } = await submit({ replies: [smsSent(), success()] })
    await inStatus(hash, 'otp_required')
    await apply(hash, { type: 'cancel', by: 'user' })
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(bot.calls(hash)).toHaveLength(1)
  })
})

describe('a cancel', () => {
  test('hangs up on the bot, and stays', async () => {
    const { hash } = await submit({ replies: [silence] })
    const call = await bot.call(hash)
    await apply(hash, { type: 'cancel', by: 'user' })
    await call.hungUp
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(await record(hash)).toMatchObject({ status: 'cancelled', error_data: null, result_data: null })
  })

  test('before a worker came never reaches the bot', async () => {
    const hash = await makeRecord(STEADY)
    bot.replies(hash, success())
    await apply(hash, { type: 'cancel', by: 'user' })
    await queues.add(aRecord({ hash }), { queue: inquiryQueue })
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(bot.calls(hash)).toEqual([])
    expect(await record(hash)).toMatchObject({ status: 'cancelled', attempt: 0 })
  })

  test('between two tries leaves no job behind', async () => {
    const { hash } = await submit({
      service: PATIENT,
      replies: [failure('portal_down', { retryable: true })],
    })
    await eventually(async () =>
      expect(await redis.zscore(`${PREFIX}:inquiries:delayed`, hash)).not.toBeNull(),
    )
    await apply(hash, { type: 'cancel', by: 'user' })
    // Its worker may just have put it off, and takes it out itself then.
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
  })

  test('while the next try is awaited is the end of it', async () => {
    const { hash } = await submit({
      service: PATIENT,
      replies: [failure('portal_down', { retryable: true }), success()],
    })
    await eventually(async () => expect((await record(hash)).next_retry_at).not.toBeNull())
    // By somebody who does not tell the queue.
    expect(await store.apply(hash, { type: 'cancel', by: 'operator' })).toMatchObject({ ok: true })
    const cancelled = await record(hash)
    expect(cancelled).toMatchObject({ status: 'cancelled', next_retry_at: null })

    const queue = new Queue('inquiries', { connection: redis, prefix: PREFIX })
    // Gone already when the worker had not yet put it off, and saw the end itself.
    await eventually(async () => (await queue.getJob(hash))?.promote())
    await queue.close()
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(bot.calls(hash)).toHaveLength(1)
    expect(await record(hash)).toEqual(cancelled)
  })
})

describe('a request that another worker has taken over', () => {
  test('is left to it: the call is closed and nothing written any more', async () => {
    const { hash } = await submit({ replies: [silence] })
    const call = await bot.call(hash)
    await apply(hash, { type: 'start', attempt: 2 })
    await call.hungUp
    await eventually(async () => expect(await queueContents()).not.toContain(hash))
    expect(await record(hash)).toMatchObject({ status: 'processing', attempt: 2, next_retry_at: null })
  })

  test('hears nothing of an answer that comes too late', async () => {
    for (const reply of [success('too late'), failure('too_late', { retryable: true }), smsSent()]) {
      // The answer is on its way when the take-over is written: either the one or the other is first, never both.
      const { hash, told } = await submit({
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
      expect(told.map((view) => view.version)).toEqual([2, 3])
    }
  })
})

describe('a worker that is told to stop', () => {
  test('takes nothing new and lets what runs finish', async () => {
    const open = later()
    const other = startWorker({ queue: crawlQueue })
    const { hash } = await submit({ queue: crawlQueue, replies: [open.reply] })
    await bot.call(hash)
    const stopped = other.stop()
    expect(other.isTaking()).toBe(false)
    const waiting = await submit({ queue: crawlQueue, replies: [success('by the next worker')] })
    open.answer(success('finished'))
    await stopped
    expect(await record(hash)).toMatchObject({ status: 'completed', result_data: 'finished' })
    expect(await record(waiting.hash)).toMatchObject({ status: 'pending' })

    const next = startWorker({ queue: crawlQueue })
    expect(await ended(waiting.hash)).toMatchObject({ result_data: 'by the next worker' })
    await next.stop()
  })

  test('leaves a job to the next one that it took at the very moment', async () => {
    let look = (): void => {}
    const looking = new Promise<void>((resolve) => {
      look = resolve
    })
    let letIt = (): void => {}
    const told = new Promise<void>((resolve) => {
      letIt = resolve
    })
    const slow: typeof store = {
      ...store,
      async read(hash) {
        look()
        await told
        return store.read(hash)
      },
    }
    const other = startWorker({ queue: crawlQueue, store: slow })
    const { hash } = await submit({ queue: crawlQueue })
    await looking
    const stopped = other.stop()
    letIt()
    await stopped
    expect(await record(hash)).toMatchObject({ status: 'pending' })
    expect(await queues.position(hash, crawlQueue)).toBe(1)
    expect(bot.calls(hash)).toEqual([])
    await queues.remove(hash, crawlQueue)
  })

  test('hangs up on what takes too long and leaves it to the next one', async () => {
    const other = startWorker({ queue: crawlQueue, drainMs: 0 })
    const { hash, told } = await submit({
      queue: crawlQueue,
      replies: [silence, success('by the next worker')],
    })
    const call = await bot.call(hash)
    await other.stop()
    await call.hungUp
    expect(told.at(-1)).toMatchObject({
      status: 'processing',
      current_message: 'The work was interrupted by a restart on our side',
      message_key: 'worker_stopping',
      max_attempts: 4,
    })
    // At once, by whoever is there.
    expect(waitOf(told.at(-1) as PublicView)).toBeLessThanOrEqual(0)

    const next = startWorker({ queue: crawlQueue })
    expect(await ended(hash)).toMatchObject({
      status: 'completed',
      attempt: 2,
      result_data: 'by the next worker',
    })
    await next.stop()
  })
})
