import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import supertest from 'supertest'
import { afterAll, describe, expect, it } from 'vitest'
import { BotFailure } from '../../bots/bot-failure.ts'
import type { BotRequest, Handle } from '../../bots/bot-server/define-service.ts'
import { createRunRegistry } from '../../bots/bot-server/run-registry.ts'
import { createBotServer } from '../../bots/bot-server/server.ts'
import { createUpdater } from '../../bots/updater.ts'
import { eventually } from '../helpers/eventually.ts'
import { noTasks } from '../helpers/no-tasks.ts'
import { aHash, START } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { collectLog } from '../helpers/server.ts'

const TOKEN = 'a-token-for-these-tests'
const redis = await useRedis()
const { store, given, applyCommand } = await useRequests(redis)
const updater = await createUpdater({ redis: redis.url, log: quiet })

/** One run of the handler `gated`, which the test ends. */
interface GatedRun {
  data: Record<string, unknown>
  request: BotRequest
  succeed(result: unknown): void
  fail(error: unknown): void
}
const started: GatedRun[] = []
const gated: Handle = (data, request) =>
  new Promise((resolve, reject) => started.push({ data, request, succeed: resolve, fail: reject }))
/** Runs until it is aborted, and then takes 30 ms to clean up. */
const obedient: Handle = (_data, request) =>
  new Promise((_resolve, reject) => {
    started.push({ data: {}, request, succeed: () => {}, fail: reject })
    request.signal.addEventListener('abort', () => setTimeout(() => reject(request.signal.reason), 30))
  })
const asking: Handle = async (data, request) => {
  await request.markAsOtpRequired()
  const waiting = request.waitForOtp()
  started.push({ data, request, succeed: () => {}, fail: () => {} })
  return { received: await waiting }
}
const HANDLERS = new Map<string, Handle>([
  ['gated', gated],
  ['obedient', obedient],
  ['quick', async (data) => ({ received: data })],
  ['asking', asking],
  ['large', async () => 'x'.repeat(300_000)],
  [
    'closed',
    async () => Promise.reject(new BotFailure('portal_closed', 'The portal is closed.', { retryable: true })),
  ],
  ['broken', async () => Promise.reject(new TypeError('cannot read 0012345679 of undefined'))],
])

const runs = createRunRegistry({ updater, handlers: HANDLERS, concurrency: noTasks, log: quiet })
const http = createServer(createBotServer({ runs, token: TOKEN, log: quiet }))
await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
const address = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
afterAll(async () => {
  // A test that failed has not ended its run, which would be waited for.
  for (const { fail } of started) fail(new Error('the tests have ended'))
  await runs.stop()
  await updater.stop()
  http.closeAllConnections()
  http.close()
})

interface CallOptions {
  attempt?: number | null
  caller?: AbortSignal
}
const call = (
  slug: string,
  hash: string,
  { attempt = 1, caller = new AbortController().signal }: CallOptions = {},
) => runs.run({ slug, hash, attempt, data: {}, caller })
const read = async (hash: string) => (await store.read(hash))?.record
const runOf = (hash: string, which = 0) =>
  eventually(() => {
    const run = started.filter(({ request }) => request.hash === hash)[which]
    if (!run) throw new Error(`run ${which} of ${hash} has not started`)
    return run
  })
const countStarts = (hash: string) => started.filter(({ request }) => request.hash === hash).length

describe('a run of a handler', () => {
  it('a run reports, completes the request, and answers with the result', async () => {
    const { record } = await given(START)
    const answering = call('gated', record.hash)
    const run = await runOf(record.hash)
    await run.request.updateProgress(40, 'second', 'Working')
    expect(await read(record.hash)).toMatchObject({ progress: 40, step: 'second' })
    run.succeed({ score: 712 })
    expect(await answering).toEqual({
      status: 'success',
      code: 'COMPLETED',
      message: 'Done.',
      data: { score: 712 },
    })
    expect(await read(record.hash)).toMatchObject({ status: 'completed', result_data: { score: 712 } })
    expect(runs.size).toBe(0)
  })

  it('a completed run is not aborted by its own final state', async () => {
    const { record } = await given(START)
    const answering = call('gated', record.hash)
    const run = await runOf(record.hash)
    run.succeed(1)
    await answering
    expect(run.request.signal.aborted).toBe(false)
  })

  it('a run that fails answers with its error and leaves the request to the worker', async () => {
    const { record } = await given(START)
    expect(await call('closed', record.hash)).toEqual({
      status: 'error', code: 'portal_closed', message: 'The portal is closed.', retryable: true,
    }) // biome-ignore format: one answer
    expect((await read(record.hash))?.status).toBe('processing')
  })

  it('an unexpected error is answered as bot_crashed with its class and place, without its text, which may contain data', async () => {
    const { record } = await given(START)
    const answer = await call('broken', record.hash)
    expect(answer).toMatchObject({
      status: 'error',
      code: 'bot_crashed',
      retryable: true,
      cause: { name: 'TypeError', at: expect.stringMatching(/^test\/bots\/runs\.test\.ts:\d+$/) },
    })
    expect(JSON.stringify(answer)).not.toContain('cannot read')
    expect(JSON.stringify(answer)).not.toContain('0012345679')
  })

  it('a result that is too large fails the request and is answered with result_too_large', async () => {
    const { record } = await given(START)
    // The bot receives the failed state before its own write has returned.
    const newsFirst: typeof updater = {
      ...updater,
      bind(hash, attempt) {
        const bound = updater.bind(hash, attempt)
        const ended = new Promise<void>(
          (resolve) =>
            void updater.onEnd(
              hash,
              () => 1,
              () => resolve(),
            ),
        )
        return { ...bound, markAsCompleted: (result) => bound.markAsCompleted(result).finally(() => ended) }
      },
    }
    const own = createRunRegistry({
      updater: newsFirst,
      handlers: HANDLERS,
      concurrency: noTasks,
      log: quiet,
    })
    const caller = new AbortController().signal
    const answer = await own.run({ slug: 'large', hash: record.hash, attempt: 1, data: {}, caller })
    expect(answer).toMatchObject({ status: 'error', code: 'result_too_large', retryable: false })
    expect(await read(record.hash)).toMatchObject({
      status: 'failed',
      error_data: { code: 'result_too_large' },
    })
  })

  it('a call for an unknown or ended request does not run the handler', async () => {
    expect(await call('gated', aHash())).toMatchObject({ status: 'error', code: 'request_not_found' })
    const { record } = await given(START, { type: 'cancel', by: 'user' })
    expect(await call('gated', record.hash)).toMatchObject({ status: 'error', code: 'already_final' })
    expect(countStarts(record.hash)).toBe(0)
  })

  it('a call for a completed request is answered with its result', async () => {
    const { record } = await given(START, { type: 'complete', attempt: 1, result: { score: 1 } })
    expect(await call('gated', record.hash)).toMatchObject({ status: 'success', data: { score: 1 } })
    expect(countStarts(record.hash)).toBe(0)
  })

  it('a call of an attempt that was taken over does not run the handler', async () => {
    const { record } = await given(START, { type: 'start', attempt: 2 })
    expect(await call('gated', record.hash, { attempt: 1 })).toMatchObject({
      status: 'error',
      code: 'stale_attempt',
    })
    expect(countStarts(record.hash)).toBe(0)
  })

  it('a call without an attempt writes for the current attempt', async () => {
    const { record } = await given(START, { type: 'start', attempt: 2 })
    expect(await call('quick', record.hash, { attempt: null })).toMatchObject({ status: 'success' })
    expect(await read(record.hash)).toMatchObject({ status: 'completed', attempt: 2 })
  })
})

describe('concurrent calls for one request', () => {
  it('two concurrent calls run the handler once, and both get the answer', async () => {
    const { record } = await given(START)
    const answers = [call('gated', record.hash), call('gated', record.hash)]
    const run = await runOf(record.hash)
    run.succeed('the one result')
    expect(await Promise.all(answers)).toEqual([
      expect.objectContaining({ data: 'the one result' }),
      expect.objectContaining({ data: 'the one result' }),
    ])
    expect(countStarts(record.hash)).toBe(1)
  })

  it('a call of a newer attempt joins the run, whose writes then count for that attempt', async () => {
    const { record } = await given(START)
    const first = call('gated', record.hash, { attempt: 1 })
    const run = await runOf(record.hash)
    await run.request.updateProgress(10)
    const second = call('gated', record.hash, { attempt: 2 })
    await applyCommand(record.hash, { type: 'start', attempt: 2 })
    await run.request.updateProgress(50)
    expect(await read(record.hash)).toMatchObject({ progress: 50, attempt: 2 })
    run.succeed('done')
    expect(await Promise.all([first, second])).toEqual([
      expect.objectContaining({ data: 'done' }),
      expect.objectContaining({ data: 'done' }),
    ])
    expect(countStarts(record.hash)).toBe(1)
  })

  it('a run continues for one caller when the other disconnects', async () => {
    const { record } = await given(START)
    const impatient = new AbortController()
    const first = call('gated', record.hash, { caller: impatient.signal })
    const second = call('gated', record.hash)
    const run = await runOf(record.hash)
    impatient.abort()
    expect(run.request.signal.aborted).toBe(false)
    run.succeed('done')
    expect(await second).toMatchObject({ data: 'done' })
    await first
  })

  it('a call during an aborted run starts a new run only after the aborted one has ended', async () => {
    const { record } = await given(START)
    const gone = new AbortController()
    const first = call('obedient', record.hash, { caller: gone.signal })
    const stopped = await runOf(record.hash)
    gone.abort(new BotFailure('caller_gone', 'Gone.', { retryable: true }))
    let firstEnded = false
    void first.then(() => {
      firstEnded = true
    })
    const second = call('obedient', record.hash)
    const again = await runOf(record.hash, 1)
    expect([stopped.request.signal.aborted, firstEnded, again.request.signal.aborted]).toEqual([
      true,
      true,
      false,
    ])
    again.fail(new BotFailure('enough', 'Enough.'))
    await second
  })
})

describe('the signal of a run', () => {
  it('a run is aborted when its request is cancelled elsewhere', async () => {
    const { record } = await given(START)
    const answering = call('obedient', record.hash)
    const { request } = await runOf(record.hash)
    await applyCommand(record.hash, { type: 'cancel', by: 'user' })
    expect(await answering).toMatchObject({ status: 'error', code: 'already_final' })
    expect(request.signal.aborted).toBe(true)
  })

  it('a run is aborted when an attempt takes over without calling this bot', async () => {
    const { record } = await given(START)
    const answering = call('obedient', record.hash)
    await runOf(record.hash)
    await applyCommand(record.hash, { type: 'start', attempt: 2 })
    expect(await answering).toMatchObject({ status: 'error', code: 'stale_attempt' })
  })

  it('a run that waits for a code outlives its caller, and the next call joins it', async () => {
    const { record } = await given(START)
    const leaving = new AbortController()
    const first = call('asking', record.hash, { caller: leaving.signal })
    await runOf(record.hash)
    leaving.abort(new Error('the worker has ended'))
    const next = call('asking', record.hash)
    await applyCommand(record.hash, { type: 'submit_otp', otp: '123456' })
    for (const answer of [first, next])
      expect(await answer).toMatchObject({ status: 'success', data: { received: '123456' } })
  })

  it('a run that waits for a code is aborted by a cancel', async () => {
    const { record } = await given(START)
    const answering = call('gated', record.hash)
    const { request, fail } = await runOf(record.hash)
    await request.markAsOtpRequired()
    const waiting = request.waitForOtp()
    waiting.catch(fail)
    await applyCommand(record.hash, { type: 'cancel', by: 'user' })
    await expect(waiting).rejects.toMatchObject({ code: 'already_final' })
    expect(await answering).toMatchObject({ code: 'already_final' })
  })

  it('a request has the attempt of its newest caller, a heartbeat, and files for its result', async () => {
    const { record } = await given(START)
    const answering = call('gated', record.hash)
    const { request, succeed } = await runOf(record.hash)
    expect(request.attempt).toBe(1)
    await request.heartbeat()
    expect(await store.lastHeartbeat(record.hash)).not.toBeNull()
    // Before the record says so: a run that learns of attempt 2 first is aborted.
    const joined = call('gated', record.hash, { attempt: 2 })
    expect(request.attempt).toBe(2)
    await applyCommand(record.hash, { type: 'start', attempt: 2 })
    const document = await request.addFile({ name: 'report.txt', bytes: 'x', type: 'text/plain' })
    succeed({ document })
    for (const answer of [answering, joined]) expect(await answer).toMatchObject({ status: 'success' })
    expect((await read(record.hash))?.result_data).toEqual({
      document: { name: 'report.txt', size: 1, id: '2.1' },
    })
  })

  it('a run that was aborted reports nothing more', async () => {
    const { record } = await given(START)
    const disconnect = new AbortController()
    const answering = call('gated', record.hash, { caller: disconnect.signal })
    const { request, fail } = await runOf(record.hash)
    disconnect.abort(new BotFailure('caller_gone', 'Gone.'))
    await expect(request.updateProgress(50)).rejects.toMatchObject({ code: 'caller_gone' })
    await expect(request.markAsOtpRequired()).rejects.toMatchObject({ code: 'caller_gone' })
    await expect(request.heartbeat()).rejects.toMatchObject({ code: 'caller_gone' })
    await expect(request.addFile({ name: 'a', bytes: 'a' })).rejects.toMatchObject({ code: 'caller_gone' })
    fail(new BotFailure('enough', 'Enough.'))
    await answering
    expect(await read(record.hash)).toMatchObject({ progress: 0, status: 'processing' })
  })

  it('a run is aborted when the registry stops, which waits for it and accepts no call', async () => {
    const { record } = await given(START)
    const stopping = createRunRegistry({ updater, handlers: HANDLERS, concurrency: noTasks, log: quiet })
    const caller = new AbortController().signal
    const answering = stopping.run({ slug: 'obedient', hash: record.hash, attempt: 1, data: {}, caller })
    await runOf(record.hash)
    await stopping.stop()
    expect(stopping.size).toBe(0)
    expect(await answering).toMatchObject({ code: 'bot_stopping', retryable: true })
    const late = stopping.run({ slug: 'quick', hash: record.hash, attempt: 1, data: {}, caller })
    expect(await late).toMatchObject({ code: 'bot_stopping' })
  })
})

describe('stopping the bots', () => {
  const draining = () =>
    createRunRegistry({ updater, handlers: HANDLERS, concurrency: noTasks, log: quiet, drainMs: 60_000 })
  const post = (server: ReturnType<typeof createServer>, slug: string, hash: string) =>
    supertest(server)
      .post(`/api/services/${slug}`)
      .set('authorization', `Bearer ${TOKEN}`)
      .set('connection', 'keep-alive')
      .send({ requestHash: hash })

  it('stop lets running handlers finish, which further calls may join, and refuses new requests', async () => {
    const own = draining()
    const { record } = await given(START)
    const other = await given(START)
    const caller = new AbortController().signal
    const answering = own.run({ slug: 'gated', hash: record.hash, attempt: 1, data: {}, caller })
    const { request, succeed } = await runOf(record.hash)
    const stopped = own.stop()
    const refused = own.run({ slug: 'gated', hash: other.record.hash, attempt: 1, data: {}, caller })
    expect(await refused).toMatchObject({ code: 'bot_stopping', retryable: true })
    const joining = own.run({ slug: 'gated', hash: record.hash, attempt: 1, data: {}, caller })
    expect(request.signal.aborted).toBe(false)
    succeed('finished')
    for (const answer of [answering, joining])
      expect(await answer).toMatchObject({ status: 'success', data: 'finished' })
    await stopped
    expect(countStarts(record.hash)).toBe(1)
    expect(await read(record.hash)).toMatchObject({ status: 'completed', result_data: 'finished' })
    expect(countStarts(other.record.hash)).toBe(0)
  })

  it('stop aborts runs that exceed the drain time', async () => {
    const own = createRunRegistry({
      updater,
      handlers: HANDLERS,
      concurrency: noTasks,
      log: quiet,
      drainMs: 100,
    })
    const { record } = await given(START)
    const caller = new AbortController().signal
    const answering = own.run({ slug: 'obedient', hash: record.hash, attempt: 1, data: {}, caller })
    await runOf(record.hash)
    const stoppedAt = performance.now()
    await own.stop()
    expect(performance.now() - stoppedAt).toBeGreaterThan(95)
    expect(await answering).toMatchObject({ code: 'bot_stopping', retryable: true })
  })

  it('while stopping, answers close the connection and refused calls get Retry-After', async () => {
    const own = draining()
    const server = createServer(createBotServer({ runs: own, token: TOKEN, log: quiet }))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { record } = await given(START)
    const other = await given(START)
    const running = post(server, 'gated', record.hash).then((answer) => answer)
    const { succeed } = await runOf(record.hash)
    const stopped = own.stop()

    const late = await post(server, 'gated', other.record.hash)
    expect([late.status, late.body.code]).toEqual([503, 'bot_stopping'])
    expect(late.headers).toMatchObject({ connection: 'close', 'retry-after': '5' })

    succeed('finished')
    const finished = await running
    expect([finished.status, finished.body.data, finished.headers.connection]).toEqual([
      200,
      'finished',
      'close',
    ])
    await stopped
    await new Promise((resolve) => server.close(resolve))
  })
})

describe('the bot server', () => {
  const post = (slug: string) => supertest(http).post(`/api/services/${slug}`)
  const allowed = (slug: string) => post(slug).set('authorization', `Bearer ${TOKEN}`)

  it('a call passes the form’s data to the handler, without the hash', async () => {
    const { record } = await given(START)
    const { status, body } = await allowed('quick')
      .set('x-attempt', '1')
      .send({ mobile: '09123456789', requestHash: record.hash })
    expect([status, body]).toEqual([
      200,
      {
        status: 'success',
        code: 'COMPLETED',
        message: 'Done.',
        data: { received: { mobile: '09123456789' } },
      },
    ])
  })

  it('a run is aborted when its caller disconnects', async () => {
    const { record } = await given(START)
    const disconnect = new AbortController()
    const calling = fetch(`${address}/api/services/obedient`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', 'x-attempt': '1' },
      body: JSON.stringify({ requestHash: record.hash }),
      signal: disconnect.signal,
    }).catch(() => 'disconnected')
    const { request } = await runOf(record.hash)
    disconnect.abort()
    expect(await calling).toBe('disconnected')
    await eventually(() => expect(request.signal.aborted).toBe(true))
    expect(request.signal.reason).toMatchObject({ code: 'caller_gone' })
    await eventually(() => expect(runs.size).toBe(0))
  })

  it.each([
    undefined,
    '',
    TOKEN,
    `bearer ${TOKEN}`,
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(0, -1)}`,
    'Bearer',
    `Basic ${TOKEN}`,
  ])('a call with the authorization %j is refused', async (authorization) => {
    const { record } = await given(START)
    const request = post('gated').send({ requestHash: record.hash })
    const { status, body, headers } = await (authorization === undefined
      ? request
      : request.set('authorization', authorization))
    expect([status, body.code, headers['www-authenticate']]).toEqual([401, 'unauthorized', 'Bearer'])
    expect(countStarts(record.hash)).toBe(0)
  })

  it('every path but /health needs the token', async () => {
    for (const path of ['/api/services', '/api/services/nothing', '/nowhere'])
      expect((await supertest(http).get(path)).status).toBe(401)
  })

  it('/health answers without a token', async () => {
    const { status, body } = await supertest(http).get('/health')
    expect([status, body.status]).toEqual([200, 'ok'])
  })

  it('GET /api/services lists the services', async () => {
    const { body } = await supertest(http).get('/api/services').set('authorization', `Bearer ${TOKEN}`)
    expect(body).toEqual({ services: [...HANDLERS.keys()] })
  })

  it.each([
    ['nothing', undefined],
    ['no hash', { mobile: '09123456789' }],
    ['a hash that is none', { requestHash: 'req_../../etc' }],
    ['a list', []],
    ['a hash of another type', { requestHash: 17 }],
  ])('a body of %s is refused', async (_what, body) => {
    const answer = await allowed('quick').send(body as object)
    expect([answer.status, answer.body]).toMatchObject([
      422,
      { status: 'error', code: 'validation_failed', retryable: false },
    ])
  })

  it('a body that is no JSON, too large or in another format is refused with its own code', async () => {
    const json = () => allowed('quick').set('content-type', 'application/json')
    expect((await json().send('{"requestHash":')).body).toMatchObject({ code: 'invalid_json' })
    expect(await json().send(JSON.stringify({ requestHash: aHash(), x: 'x'.repeat(300_000) }))).toMatchObject(
      { status: 413, body: { code: 'body_too_large' } },
    )
    expect(await json().set('content-encoding', 'nonsense').send('{}')).toMatchObject({
      status: 415,
      body: { code: 'unsupported_media_type' },
    })
  })

  it('an unknown service or path is answered with 404', async () => {
    expect(await allowed('nothing').send({ requestHash: aHash() })).toMatchObject({
      status: 404,
      body: { code: 'unknown_service' },
    })
    expect(await supertest(http).get('/nowhere').set('authorization', `Bearer ${TOKEN}`)).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    })
  })

  it('a call for an ended request has the HTTP status 409 or 410', async () => {
    const { record } = await given(START, { type: 'cancel', by: 'user' })
    expect((await allowed('quick').send({ requestHash: record.hash })).status).toBe(409)
    expect((await allowed('quick').send({ requestHash: aHash() })).status).toBe(410)
  })
})

describe('a handler that returns nothing', () => {
  it.each([
    ['development', new Map([['silent', new Set<string>()]]), 1],
    ['production', undefined, 0],
  ])('it completes the request, and is named once in %s', async (_mode, steps, warnings) => {
    const { log, lines } = collectLog('warn')
    const handlers = new Map<string, Handle>([
      ['silent', async () => undefined],
      ['empty', async () => null],
    ])
    const own = createRunRegistry({ updater, handlers, steps, concurrency: noTasks, log })
    for (const slug of ['silent', 'silent', 'empty']) {
      const { hash } = (await given(START)).record
      const caller = new AbortController().signal
      expect(await own.run({ slug, hash, attempt: 1, data: {}, caller })).toMatchObject({ status: 'success' })
      expect((await store.read(hash))?.record.status).toBe('completed')
    }
    await own.stop()
    const found = lines.map((line) => JSON.parse(line))
    expect(found.map(({ service }) => service)).toEqual(Array(warnings).fill('silent'))
  })
})

describe('a step that the service does not have', () => {
  const stepped: Handle = async (_data, request) => {
    await request.updateProgress(10, 'first')
    await request.updateProgress(20, 'no-such-step')
    return 'done'
  }
  const runOnce = async (steps?: ReadonlyMap<string, ReadonlySet<string>>, log = quiet) => {
    const own = createRunRegistry({
      updater,
      handlers: new Map([['stepped', stepped]]),
      steps,
      concurrency: noTasks,
      log,
    })
    const { hash } = (await given(START)).record
    const caller = new AbortController().signal
    const answer = await own.run({ slug: 'stepped', hash, attempt: 1, data: {}, caller })
    await own.stop()
    return { answer, record: (await store.read(hash))?.record }
  }

  it('a run that reports it fails in development, with its name', async () => {
    const { answer, record } = await runOnce(new Map([['stepped', new Set(['first'])]]))
    expect(answer).toMatchObject({
      code: 'unknown_step',
      message: 'The service "stepped" has no step "no-such-step".',
      retryable: false,
    })
    expect(record).toMatchObject({ step: 'first', progress: 10 })
  })

  it('its name is logged in development', async () => {
    const { log, lines } = collectLog('warn')
    await runOnce(new Map([['stepped', new Set(['first'])]]), log)
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ service: 'stepped', step: 'no-such-step', level: 40 }),
    ])
  })

  it('it is shown as given in production', async () => {
    const { answer, record } = await runOnce()
    expect(answer).toMatchObject({ status: 'success' })
    expect(record).toMatchObject({ status: 'completed', step: 'no-such-step' })
  })
})
