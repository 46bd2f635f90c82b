/**
 * 10,000 requests, valid, nearly valid and invalid, over every route, header and socket event, against the real server
 * process. Every one is answered in time and in the documented form, nothing private is logged, and no memory leaks.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ERRORS, type ErrorCode } from '../../core/domain/errors.ts'
import { startHeartbeat } from '../../core/queue/worker-heartbeat.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { announceServices } from '../helpers/announced.ts'
import { startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'
import { openWebSocket } from '../helpers/raw-websocket.ts'
import { aHash, progressTo, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { ANNOUNCED, STRANGER_TOKEN } from './bad-announcements.ts'
import { type BadInput, badInput, type HttpCase, SECRETS, type SocketCase } from './bad-input-cases.ts'
import './fault-meta.ts'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { type Exchange, exchange } from '../helpers/raw-http.ts'
import { catalog } from '../helpers/services.ts'
import { inspectable } from './inspected-child.ts'

const REQUESTS = 10_000
const CONCURRENCY = 20
/** The same requests each time; a failure prints the seed and the request. */
const SEED = 20_260_801
const MAX_ANSWER_MS = 1_000
/** However large what was sent is. */
const MAX_PROBLEM_LENGTH = 10_000
/** Warm-up, while V8 compiles the server. */
const MAX_FIRST_ANSWER_MS = 10_000
/** The wait that a long poll asks for. */
const LONG_POLL_MS = 1_000

const redis = await useRedis()
const { client, given, foreignWrite } = await useRequests(redis)
// Chosen concurrently: ports chosen one after the other may be the same.
const [port, inspectorPort] = await Promise.all([freePort(), freePort()])
const address = `http://127.0.0.1:${port}`
const { env, held } = inspectable(inspectorPort)

await announceServices(client)
const workers = startHeartbeat({
  redis: client,
  takenQueues: () => [...queuesOf(catalog).map(({ name }) => name), ...ANNOUNCED],
  log: quiet,
})
const server = startChild('server/main.ts', [], {
  ...env,
  PORT: String(port),
  HOST: '127.0.0.1',
  REDIS_URL: redis.url,
  LOG_LEVEL: 'debug',
  TRUST_PROXY: '1',
  BOT_TOKENS: `stranger:${STRANGER_TOKEN}`,
  SUBMITS_PER_MINUTE: '1000000',
  MAX_UNFINISHED_PER_SUBMITTER: '1000000',
  MAX_UNFINISHED_PER_QUEUE: '1000000',
  MAX_UNFINISHED: '1000000',
  ACTIONS_PER_MINUTE: '1000000',
  SOCKETS_PER_ADDRESS: '0',
  STREAMS_PER_ADDRESS: '0',
  STATUS_READS_PER_MINUTE: '0',
})
let complaints = ''
let log = ''
server.process.stderr?.on('data', (data) => {
  complaints += data
})
server.process.stdout?.on('data', (data) => {
  log += data
})
let ended: number | string | null = null
void server.ended.then((code) => {
  ended = code
})

/** Requests in every status, and hashes of missing ones. Most end during the test and are created again. */
async function makeTargets(): Promise<string[]> {
  const foreign = (await given(START)).record.hash
  await foreignWrite(foreign, {
    service_slug: '../<b>\ud800',
    current_message: '<script>\u202e',
    message_key: '__proto__',
    message_params: { constructor: 1 },
    status: 'completed',
    result_data: JSON.parse('{"__proto__":{"x":1},"a":[[[[]]]],"\\ud800":"\\ud800"}'),
  })
  const stored = await Promise.all([
    given(),
    given(START, progressTo(40, 'Working…')),
    // The cases change most requests, these the most.
    ...Array.from({ length: 12 }, () => given(START, REQUIRE_OTP)),
    given(START, { type: 'complete', attempt: 1, result: { score: 712 } }),
    given(START, { type: 'fail', attempt: 1, error: { code: 'x', message: 'y', retryable: false } }),
    given({ type: 'cancel', by: 'user' }),
  ])
  return [
    ...stored.map(({ record }) => record.hash),
    foreign,
    aHash(Date.now() - TTL_SECONDS * 1000),
    aHash(),
    `req_${'x'.repeat(64)}`,
  ]
}

let answerWithinMs = MAX_FIRST_ANSWER_MS
let targets: string[] = []
const targetOf = (n: number): string => targets[n % targets.length] as string

async function sendHttp({ method, path, target, headers, body }: HttpCase): Promise<Exchange> {
  const has = (name: string) => headers.some(([given]) => given.toLowerCase() === name)
  const lines = [
    `${method} ${path.replaceAll('{n}', targetOf(target))} HTTP/1.1`,
    ...(has('host') ? [] : [`Host: 127.0.0.1:${port}`]),
    `Connection: ${has('upgrade') ? 'close, Upgrade' : 'close'}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(body && !has('content-length') ? [`Content-Length: ${body.length}`] : []),
  ]
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  const mayWait = /[?&]wait=1$/.test(path) ? LONG_POLL_MS : 0
  return exchange(port, body ? Buffer.concat([head, body]) : head, { limitMs: answerWithinMs + mayWait })
}

/** Every status code and every problem code seen. */
const seen = new Set<string>()
const REACHED = [
  '200', '202', '303', '304', 'invalid_json', 'invalid_parameter', 'not_found', 'unknown_service', 'request_not_found', 'method_not_allowed',
  'origin_not_allowed', 'already_final', 'not_completed', 'otp_not_expected', 'request_expired', 'body_too_large', 'unsupported_media_type',
  'validation_failed', 'invalid_otp', 'resend_not_yet', 'unauthorized', 'slug_taken',
] // biome-ignore format: a list

function checkAnswer({ status, headers, body }: Exchange, isCall: boolean): void {
  if (status === null) {
    expect(isCall, 'hung up on without an answer').toBe(false)
    return
  }
  seen.add(String(status))
  expect(status).toBeGreaterThanOrEqual(200)
  expect(status).toBeLessThan(500)
  expect(headers).not.toHaveProperty('x-powered-by')
  for (const inside of [process.cwd(), 'node_modules', '    at ', 'node:internal'])
    expect(body).not.toContain(inside)
  const type = headers['content-type']
  if (type?.startsWith('application/problem+json')) checkProblem(status, body)
  else if (status >= 400) expect(type).toMatch(/^text\/html/)
}

function checkProblem(status: number, body: string): void {
  if (body === '') return
  expect(body.length).toBeLessThan(MAX_PROBLEM_LENGTH)
  const problem = JSON.parse(body)
  expect(problem).toMatchObject({ status, title: expect.any(String), retryable: expect.any(Boolean) })
  seen.add(problem.code)
  expect(Object.keys(ERRORS)).toContain(problem.code)
  expect(ERRORS[problem.code as ErrorCode].status).toBe(status)
  expect(problem.type).toBe(`urn:halfway:problem:${problem.code}`)
  const known = ['type', 'title', 'status', 'code', 'detail', 'retryable', 'errors', 'more_errors', 'call_id']
  expect(Object.keys(problem).filter((key) => !known.includes(key))).toEqual([])
  for (const error of problem.errors ?? [])
    expect(error).toEqual({
      field: expect.any(String),
      code: expect.any(String),
      message: expect.any(String),
    })
}

/** Afterwards the socket is either disconnected or works as before. */
async function tryFrames({ frames, target }: SocketCase): Promise<void> {
  const socket = await openWebSocket(address)
  let isClosed = false
  void socket.closed.then(() => {
    isClosed = true
  })
  try {
    for (const { opcode, payload } of frames)
      socket.frame(
        opcode,
        payload.toString('latin1').includes('{n}')
          ? payload.toString().replaceAll('{n}', targetOf(target))
          : payload,
      )
    socket.send(`42777777["request:watch",{"hash":"${targetOf(target)}"}]`)
    await eventually(() => expect(isClosed || /4377777\d\[\{"ok":|\x88/.test(socket.received())).toBe(true), {
      withinMs: answerWithinMs,
    })
    expect(socket.received()).not.toContain('internal_error')
  } finally {
    socket.close()
  }
}

async function send(input: BadInput): Promise<void> {
  if (ended !== null) throw new Error(`the server has ended with ${ended}`)
  try {
    if (input.kind === 'socket') await tryFrames(input)
    else if (input.kind === 'http') checkAnswer(await sendHttp(input), true)
    else checkAnswer(await exchange(port, input.bytes, { hangUp: true, limitMs: answerWithinMs }), false)
  } catch (error) {
    throw new Error(`${describe(input)}: ${(error as Error).message}`, { cause: error })
  }
}

const describe = (input: BadInput): string =>
  JSON.stringify(input, (_, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1').slice(0, 1000) : value,
  )

/** The record cache holds a few megabytes on purpose: it must be full before memory is measured. */
async function fillMemory(): Promise<void> {
  const result = 'x'.repeat(250_000)
  for (let n = 0; n < 20; n++) {
    const { record } = await given(START, { type: 'complete', attempt: 1, result })
    await fetch(`${address}/api/local-requests/${record.hash}/status`).then((res) => res.text())
  }
}

let sent = 0
async function sendMany(count: number, seed: number): Promise<void> {
  const together = fc.array(badInput, { minLength: CONCURRENCY, maxLength: CONCURRENCY })
  const run = await fc.check(
    fc.asyncProperty(together, async (inputs) => {
      if (sent % 100 === 0) targets = await makeTargets()
      await Promise.all(inputs.map(send))
      sent += inputs.length
    }),
    // The error names the failed case: shrinking it would take long and add nothing.
    { seed, numRuns: count / CONCURRENCY, endOnFailure: true },
  )
  if (run.failed)
    throw new Error(`seed ${seed}, path ${run.counterexamplePath}`, { cause: run.errorInstance })
}

/** All but those that the cases announce. */
async function servicesOf(): Promise<unknown[]> {
  const { services } = (await (await fetch(`${address}/api/services`)).json()) as {
    services: { slug: string }[]
  }
  return services.filter(({ slug }) => !ANNOUNCED.includes(slug))
}

const KILOBYTE = 1024

test('invalid input neither fails nor slows the server, and leaves nothing in its memory or log', async (ctx) => {
  await server.waitForOutput('server is ready')
  const services = await servicesOf()
  await fillMemory()
  await sendMany(REQUESTS / 5, SEED + 1)
  const before = await held()
  sent = 0
  answerWithinMs = MAX_ANSWER_MS
  // What is made once (compiled code, templates, caches) is there after the first half. What is kept for each request
  // grows in the second half as well: 5 MB, were it a kilobyte. The collector runs before each look.
  await sendMany(REQUESTS / 2, SEED)
  const halfway = await held()
  await sendMany(REQUESTS / 2, SEED + 2)
  const after = await eventually(
    async () => {
      const now = await held()
      expect(now.resources.TCPSocketWrap ?? 0).toBeLessThanOrEqual(before.resources.TCPSocketWrap ?? 0)
      return now
    },
    { withinMs: 10_000, everyMs: 500 },
  )
  const grownPerRequest =
    (after.heapBytes + after.bufferBytes - halfway.heapBytes - halfway.bufferBytes) / (REQUESTS / 2)
  // The generator still reaches the rules behind input validation.
  expect([...seen.keys()]).toEqual(expect.arrayContaining([...REACHED]))
  expect(grownPerRequest).toBeLessThan(KILOBYTE / 4)
  expect(await servicesOf()).toEqual(services)

  expect(
    (await exchange(port, Buffer.from('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'), { limitMs: 1000 })).status,
  ).toBe(200)
  server.process.kill('SIGTERM')
  expect(await server.ended).toBe(0)
  workers.stop()

  expect(complaints.replaceAll('Debugger attached.\n', '')).toBe('')
  const lines = log
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { level: number; msg: string })
  expect(lines.length).toBeGreaterThan(REQUESTS / 2)
  expect(lines.filter(({ level }) => level >= 40)).toEqual([])
  expect(log).not.toMatch(/uncaught|unhandled/i)
  for (const [what, secret] of Object.entries(SECRETS))
    expect(log.includes(secret), `${what} in the log`).toBe(false)

  ctx.task.meta.fault = {
    name: 'bad input',
    requests: sent,
    survived: sent,
    note: `${Math.max(0, Math.round(grownPerRequest))} bytes kept a request`,
  }
})
