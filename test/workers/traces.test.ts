/** One request over server, worker and bot of this process, and the spans of it. */
import { context, propagation, trace } from '@opentelemetry/api'
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node'
import { expect, it } from 'vitest'
import { startBot } from '../../bots/bot-server/create-bot.ts'
import { defineService } from '../../bots/bot-server/define-service.ts'
import { createHttpUpdater } from '../../bots/http-updater.ts'
import { createOtpMailbox } from '../../core/actions/otp-mailbox.ts'
import { createCatalog } from '../../core/catalog/catalog.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../../core/pubsub/request-watcher.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { loadConfig } from '../../core/runtime/config.ts'
import { openTracing, withoutEmptyJobs } from '../../core/runtime/otel.ts'
import { createSecretBox } from '../../core/runtime/secret-box.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { createRunTimes } from '../../core/store/run-times.ts'
import { createSubjectLimiter } from '../../core/store/subject-limits.ts'
import { createTraceWrite } from '../../core/store/write-traces.ts'
import { createBotClient } from '../../workers/bot-client.ts'
import type { BotRouter } from '../../workers/bot-router.ts'
import { createRequestWorker } from '../../workers/request-worker.ts'
import { traceCalls } from '../../workers/traces.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { noTasks } from '../helpers/no-tasks.ts'
import { START } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'
import { failure, success, useForeignBot } from './foreign-bot.ts'
import { onlyBot, TOKEN } from './one-bot.ts'

const MOBILE = '09121112233'
const NAME = 'Zarathustra'
const CODE = '48392'
const SESSION = 'session-of-the-traces'
const MESSAGE = 'Greeting the caller'
const CALLER = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }
const CALLER_HEADER = `00-${CALLER.traceId}-${CALLER.spanId}-01`

const exporter = new InMemorySpanExporter()
new NodeTracerProvider({ spanProcessors: [withoutEmptyJobs(new SimpleSpanProcessor(exporter))] }).register()
const tracing = openTracing('test', quiet)
cleanUp(async () => {
  await tracing.stop()
  trace.disable()
  context.disable()
  propagation.disable()
})

const greeting = defineService(
  {
    slug: 'traced-greeting',
    title: 'Greeting',
    fields: [
      { name: 'name', type: 'text', label: 'Name' },
      { name: 'mobile', type: 'mobile', label: 'Mobile' },
    ],
    steps: [{ id: 'greet', title: 'Greet' }],
    tries: 1,
  },
  async ({ name }, request) => {
    await request.updateProgress(40, 'greet', MESSAGE)
    const code = await request.askCode({ length: CODE.length, sentTo: MOBILE })
    return { greeting: `Hello ${name}, ${code}` }
  },
)
const foreign = defineService(
  { slug: 'foreign', title: 'Foreign', steps: [], tries: 1, queue: { name: 'foreign' } },
  async () => null,
)
const catalog = createCatalog([greeting.service, foreign.service])

const redis = await useRedis()
const server = await useServer(redis, { services: catalog, tracing, settings: { LOCAL_API_TOKEN: TOKEN } })
const client = await redis.connections.connect('patient')

const port = await freePort()
await startBot(
  {
    config: loadConfig({
      REDIS_URL: redis.url,
      LOCAL_API_TOKEN: TOKEN,
      LOCAL_API_PORT: String(port),
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    }),
    log: quiet,
    async register(_name, part) {
      const started = await part
      cleanUp(async () => started.stop())
      return started
    },
  },
  [greeting],
  noTasks,
)
const foreignBot = await useForeignBot()

const store = createRequestStore({
  redis: client,
  ttlSeconds: 1800,
  catalog,
  traceWrite: createTraceWrite(tracing, catalog),
})
const channels = createChannelSubscriber({
  redis: client,
  subscriber: await redis.connections.connect('subscriber'),
  log: quiet,
})
const watcher = createRequestWatcher({ store, channels, log: quiet })
const queues = createQueues({
  redis: client,
  log: quiet,
  queueList: () => [greeting.service.queue, foreign.service.queue],
  telemetry: tracing.queueTelemetry,
})
/** Has room for a request when it is taken for the third time. */
function busyAtFirst(url: string): BotRouter {
  const { choose, ...others } = onlyBot(url)
  const takenTimes = new Map<string, number>()
  return {
    ...others,
    async choose(record) {
      const times = (takenTimes.get(record.hash) ?? 0) + 1
      takenTimes.set(record.hash, times)
      return times < 3 ? null : choose(record)
    },
  }
}

const bot = traceCalls(createBotClient(), tracing)
const workers = [
  { queue: greeting.service.queue, url: `http://127.0.0.1:${port}` },
  { queue: foreign.service.queue, url: foreignBot.url },
].map(({ queue, url }) =>
  createRequestWorker({
    queue,
    queues,
    redis: client,
    store,
    watcher,
    otpMailbox: createOtpMailbox({ redis: client, channels, store }),
    deadlineIndex: createDeadlineIndex({ redis: client }),
    subjectLimiter: createSubjectLimiter({
      redis: client,
      limits: { codesPerHour: 5, wrongCodesPerHour: 5 },
    }),
    bot,
    bots: busyAtFirst(url),
    secretBox: createSecretBox(TOKEN),
    runTimes: createRunTimes({ redis: client }),
    catalog,
    tracing,
    concurrency: 10,
    timeoutSeconds: 30,
    drainMs: 0,
    log: quiet,
    now: Date.now,
  }),
)
cleanUp(async () => {
  await Promise.all(workers.map((worker) => worker.stop()))
  await bot.stop()
  watcher.stop()
  channels.stop()
  await queues.stop()
})

async function submit(service_slug: string, request_data: object, headers = {}): Promise<PublicView> {
  const { body } = await server.api
    .post('/api/local-requests')
    .set('cookie', server.sessionCookie(SESSION))
    .set(headers)
    .send({ service_slug, request_data })
    .expect(202)
  return body
}

const traceIdOf = (span: ReadableSpan): string => span.spanContext().traceId
/** The spans of a request, by its short reference. */
const spansOf = (hash: string): ReadableSpan[] => {
  const all = exporter.getFinishedSpans()
  const known = all.find(({ attributes }) => attributes['halfway.reference'] === shortReference(hash))
  return all.filter((span) => traceIdOf(span) === (known && traceIdOf(known)))
}
const named = (spans: ReadableSpan[], name: string): ReadableSpan => {
  const found = spans.filter((span) => span.name === name)
  expect(found, `${name} of ${spans.map((span) => span.name)}`).toHaveLength(1)
  return found[0] as ReadableSpan
}
/** The spans of a request, once each of these names is among them: a span is exported when it ends. */
const endedSpansOf = (hash: string, names: string[]): Promise<ReadableSpan[]> =>
  eventually(() => {
    const found = spansOf(hash)
    for (const name of names) named(found, name)
    return found
  })
const idOf = (span: ReadableSpan): string => span.spanContext().spanId
/** The first one; those that found a newer record are left out. */
const writeOf = (spans: ReadableSpan[], status: string): ReadableSpan => {
  const found = spans.filter(
    ({ name, attributes }) =>
      name === 'write' && attributes['halfway.status'] === status && !attributes['halfway.outcome'],
  )
  expect(found, status).not.toEqual([])
  return found[0] as ReadableSpan
}
const traceparentOf = (span: ReadableSpan): string => `00-${span.spanContext().traceId}-${idOf(span)}-01`
const QUEUE = greeting.service.queue.name

it('a request is one trace from its submit over job, bot and writes to the push, below its caller', async () => {
  const { hash } = await submit(
    'traced-greeting',
    { name: NAME, mobile: MOBILE },
    { traceparent: CALLER_HEADER, tracestate: `person=${NAME}`, baggage: `name=${NAME}` },
  )
  const stream = fetch(`${server.address}/api/local-requests/${hash}/events`).then((res) => res.text())
  await eventually(async () => expect((await store.get(hash)).record.status).toBe('otp_required'))
  await server.api.post(`/api/local-requests/${hash}/otp`).send({ otp: CODE }).expect(202)
  expect(await stream).toContain(`Hello ${NAME}, ${CODE}`)

  const pushOf = (spans: ReadableSpan[]): ReadableSpan | undefined =>
    spans.find(({ name, attributes }) => name === 'push' && attributes['halfway.status'] === 'completed')
  await eventually(() => expect(pushOf(spansOf(hash))).toBeDefined())
  const names = ['submit', `add ${QUEUE}.request`, `process ${QUEUE}`, 'attempt', 'call bot', 'run']
  const spans = await endedSpansOf(hash, names)
  expect(new Set(exporter.getFinishedSpans().map(traceIdOf))).toEqual(new Set([CALLER.traceId]))

  const [submitted, added, processed, attempt, call, run] = names.map((name) => named(spans, name)) as [
    ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan,
  ] // biome-ignore format: a list
  expect(submitted.parentSpanContext?.spanId).toBe(CALLER.spanId)
  expect(added.parentSpanContext?.spanId).toBe(idOf(submitted))
  expect(processed.parentSpanContext?.spanId).toBe(idOf(added))
  expect(attempt.parentSpanContext?.spanId).toBe(idOf(processed))
  expect(call.parentSpanContext?.spanId).toBe(idOf(attempt))
  expect(run.parentSpanContext?.spanId).toBe(idOf(call))
  expect(writeOf(spans, 'pending').parentSpanContext?.spanId).toBe(idOf(submitted))
  expect(writeOf(spans, 'otp_required').parentSpanContext?.spanId).toBe(idOf(run))
  const completed = writeOf(spans, 'completed')
  expect(completed.parentSpanContext?.spanId).toBe(idOf(run))
  const push = pushOf(spans)
  expect(push?.parentSpanContext?.spanId).toBe(idOf(completed))
  expect(push?.attributes).toEqual({
    'halfway.reference': shortReference(hash),
    'halfway.service': 'traced-greeting',
    'halfway.attempt': 1,
    'halfway.status': 'completed',
    'halfway.version': completed.attributes['halfway.version'],
    'halfway.transport': 'event_stream',
  })
})

it('a foreign bot gets the traceparent of the call, and its reports with that header are below the call', async () => {
  const { hash } = await submit('foreign', {})
  let report: Promise<Response> | undefined
  foreignBot.replies(hash, async (res, call) => {
    report = fetch(`${server.address}/api/bots/requests/${hash}/progress`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${TOKEN}`,
        'content-type': 'application/json',
        'x-attempt': '1',
        traceparent: String(call.headers.traceparent),
      },
      body: JSON.stringify({ progress: 30, step: `step of ${NAME}`, message: MESSAGE }),
    })
    expect((await report).status).toBe(200)
    return failure('made_up_by_the_bot', { message: `Not for ${NAME}` })(res, call)
  })
  const call = await foreignBot.call(hash)
  const spans = await endedSpansOf(hash, ['process foreign', 'call bot'])
  const called = named(spans, 'call bot')
  expect(call.headers.traceparent).toBe(traceparentOf(called))
  const reported = spans.find(
    ({ attributes, name }) => name === 'write' && attributes['halfway.version'] === 3,
  )
  expect(reported?.parentSpanContext?.spanId).toBe(idOf(called))
  expect(called.attributes['halfway.error']).toBe('other')
  expect(JSON.stringify(spans.map(({ attributes, events }) => [attributes, events]))).not.toContain(NAME)
})

it('a job that is taken twice while no bot has room has only the span of the third time', async () => {
  const { hash } = await submit('foreign', {})
  foreignBot.replies(hash, success())
  await foreignBot.call(hash)
  const spans = await endedSpansOf(hash, ['process foreign', 'attempt'])
  expect(named(spans, 'attempt').parentSpanContext?.spanId).toBe(idOf(named(spans, 'process foreign')))
})

it('reports over HTTP are below the span of the bot, and later writes, also of other programs, follow the last one', async () => {
  const updater = createHttpUpdater({
    url: server.address,
    token: TOKEN,
    log: quiet,
    traceparent: tracing.traceparent,
  })
  cleanUp(() => updater.stop())
  const hash = await server.given([START], { service_slug: 'foreign' })
  const key = keys.record(hash)
  await tracing.span('run', {}, () => updater.updateProgress(hash, 30))
  const record = JSON.parse((await client.get(key)) ?? '')
  await client.setex(key, 1800, JSON.stringify({ ...record, progress: 50 }))
  const { text } = await server.api.get(`/api/local-requests/${hash}/status`).expect(200)
  expect(text).not.toContain('traceparent')
  await server.api.post(`/api/local-requests/${hash}/cancel`).expect(200)

  const spans = await eventually(() => {
    writeOf(spansOf(hash), 'cancelled')
    return endedSpansOf(hash, ['run'])
  })
  const writes = spans.filter(({ name }) => name === 'write')
  expect(writes.map(({ attributes }) => attributes['halfway.version'])).toEqual([3, 4, 5])
  const [reported, adopted, cancelled] = writes as [ReadableSpan, ReadableSpan, ReadableSpan]
  expect(reported.parentSpanContext?.spanId).toBe(idOf(named(spans, 'run')))
  expect(adopted.parentSpanContext?.spanId).toBe(idOf(reported))
  expect(cancelled.parentSpanContext?.spanId).toBe(idOf(adopted))
  expect(JSON.parse((await client.get(key)) ?? '').traceparent).toBe(traceparentOf(cancelled))
})

it('no span says anything of a person, nor has it a hash, a code or a session', () => {
  const spans = exporter.getFinishedSpans()
  expect(spans.length).toBeGreaterThan(12)
  const json = JSON.stringify(
    spans.map((span) => {
      const { name, attributes, events, links, status, resource, parentSpanContext } = span
      const all = {
        name,
        attributes,
        events,
        links,
        status,
        resource: resource.attributes,
        parentSpanContext,
      }
      return { ...all, context: span.spanContext() }
    }),
  )
  expect(json).toContain('"halfway.step":"greet"')
  expect(json).toContain('"halfway.step":"other"')
  for (const secret of [MOBILE, NAME, CODE, SESSION, MESSAGE, TOKEN, 'req_', '127.0.0.1'])
    expect(json, secret).not.toContain(secret)
})
