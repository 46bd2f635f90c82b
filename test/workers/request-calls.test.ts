/** A worker on a real queue: the calls of a foreign bot, and what its answers do. */
import { describe, expect, test } from 'vitest'
import { toPublicView } from '../../core/domain/record.ts'
import { MAX_STORED_DEPTH } from '../../core/records/json-limits.ts'
import { createLog } from '../../core/runtime/log.ts'
import { createFailedRequests } from '../../core/store/failed-requests.ts'
import { eventually } from '../helpers/eventually.ts'
import { aHash, aRecord } from '../helpers/record.ts'
import { creditScoreRating, linkCheck } from '../helpers/services.ts'
import {
  endless,
  failure,
  halfAnAnswer,
  html,
  json,
  later,
  type Reply,
  type silence,
  slowly,
  success,
  twice,
} from './foreign-bot.ts'
import { TOKEN } from './one-bot.ts'
import { delayOf, MEASURED, ONCE, PREFIX, useRequestWorker } from './request-worker-setup.ts'

const { redis, store, queues, bot, startWorker, submit, record, ended, apply, queueContents } =
  await useRequestWorker()

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
  test('an unexpected error in an attempt counts as a failure, which keeps class, place and message without typed data', async () => {
    const CAUSE = {
      name: 'TypeError',
      message: 'no such thing as …',
      at: expect.stringMatching(/^test\/workers\/request-calls\.test\.ts:\d+$/),
    }
    const broken: typeof store = {
      ...store,
      apply: (hash, command, options) =>
        command.type === 'complete'
          ? Promise.reject(new TypeError('no such thing as 09123456789'))
          : store.apply(hash, command, options),
    }
    const logged: string[] = []
    const destination = { write: (line: string) => void logged.push(line) }
    const log = createLog('worker', 'info', { destination, wholeErrors: false })
    const other = startWorker({ queue: linkCheck.queue, store: broken, log })
    const { hash } = await submit({
      queue: linkCheck.queue,
      replies: [success(), success(), success(), success()],
    })
    expect(await ended(hash)).toMatchObject({
      status: 'failed',
      attempt: 3,
      error_data: { code: 'internal_error', cause: CAUSE },
    })
    expect(await createFailedRequests({ redis }).find(hash)).toMatchObject({
      code: 'internal_error',
      cause: CAUSE,
    })
    expect(Object.keys(toPublicView(await record(hash), Date.now()).error_data ?? {})).toEqual([
      'code',
      'message',
      'retryable',
    ])
    expect(logged.filter((line) => line.includes('attempt failed')).at(-1)).toContain(
      JSON.stringify(CAUSE.message),
    )
    expect(logged.join('')).not.toMatch(/09123456789|req_/)
    expect(bot.calls(hash)).toHaveLength(3)
    await other.stop()
  })
})

describe('the cause that a bot sends with its error', () => {
  const withCause = (cause: unknown): Reply =>
    json({ status: 'error', code: 'bot_crashed', message: 'It crashed.', retryable: false, cause })

  test('class and place are kept with the failure, and nothing else', async () => {
    const cause = { name: 'TimeoutError', at: 'parcels/index.ts:42' }
    const { hash } = await submit({ replies: [withCause({ ...cause, message: 'Sara', more: 1 })] })
    expect((await ended(hash)).error_data?.cause).toEqual(cause)
  })

  test.each([[{ name: 'two words' }], ['Sara'], [{ at: 'a.ts:1' }], [{ name: 'x'.repeat(61) }]])(
    'what is no class is dropped: %j',
    async (cause) => {
      const { hash } = await submit({ replies: [withCause(cause)] })
      expect((await ended(hash)).error_data).toEqual({
        code: 'bot_crashed',
        message: 'It crashed.',
        retryable: false,
      })
    },
  )

  test('a place that is none is dropped', async () => {
    const { hash } = await submit({ replies: [withCause({ name: 'Error', at: 'Sara Karimi' })] })
    expect((await ended(hash)).error_data?.cause).toEqual({ name: 'Error' })
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
