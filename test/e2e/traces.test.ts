/** Traces of the real processes, as a collector receives them. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { startHalfway } from '../helpers/halfway.ts'
import { useRedis } from '../helpers/redis.ts'

const MOBILE = '09121112233'
const NATIONAL_CODE = '0012345768'
const PRELOAD = ['--import', 'tsx', '--import', './test/helpers/fixtures/without-otel.mjs']
const MISSING = 'OTEL_EXPORTER_OTLP_ENDPOINT is set, but nothing is traced'

const redis = await useRedis()

/** Not its bundle, which has the SDK in it. */
const startWithoutSdk = (main: string, env: NodeJS.ProcessEnv): Child =>
  startChild(main, [], { REDIS_URL: redis.url, NODE_ENV: 'test', LOG_LEVEL: 'info', ...env }, PRELOAD)

interface Attribute {
  key: string
  value: { stringValue?: string }
}
interface Span {
  service: string
  name: string
  traceId: string
  spanId: string
  parentSpanId?: string
}

/** A collector of OTLP over HTTP. */
async function startCollector() {
  const bodies: string[] = []
  const server = createServer(async (req, res) => {
    let body = ''
    for await (const chunk of req.setEncoding('utf8')) body += chunk
    if (req.url === '/v1/traces') bodies.push(body)
    res.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp(() => {
    server.closeAllConnections()
    server.close()
  })
  const serviceOf = ({ attributes }: { attributes: Attribute[] }): string =>
    attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    text: () => bodies.join(),
    spans: (): Span[] =>
      bodies
        .flatMap((body) => JSON.parse(body).resourceSpans)
        .flatMap(({ resource, scopeSpans }) =>
          scopeSpans.flatMap(({ spans }: { spans: Span[] }) =>
            spans.map((span) => ({ ...span, service: serviceOf(resource) })),
          ),
        ),
  }
}

it('a request of the real processes is one trace, sent to the collector, with nothing of a person', async () => {
  const collector = await startCollector()
  const halfway = await startHalfway({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: '20',
  })
  const post = (path: string, body: object): Promise<Response> =>
    fetch(`${halfway.url}/api/local-requests${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const submitted = await post('', {
    service_slug: 'credit-score-rating',
    request_data: { mobile: MOBILE, national_code: NATIONAL_CODE },
  })
  const { hash } = (await submitted.json()) as PublicView
  const stream = fetch(`${halfway.url}/api/local-requests/${hash}/events`).then((res) => res.text())
  const code = await halfway.codeSentTo(MOBILE)
  await eventually(async () => expect((await post(`/${hash}/otp`, { otp: code })).status).toBe(202))
  expect(await stream).toContain('"is_completed":true')
  expect(await halfway.stop()).toBe(0)

  const spans = collector.spans()
  const [root, ...otherRoots] = spans.filter(({ parentSpanId }) => !parentSpanId)
  expect([root?.service, root?.name, otherRoots]).toEqual(['halfway-server', 'submit', []])
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([root?.traceId]))
  const ids = new Set(spans.map(({ spanId }) => spanId))
  expect(spans.filter(({ parentSpanId }) => parentSpanId && !ids.has(parentSpanId))).toEqual([])
  const names = new Set(spans.map(({ service, name }) => `${service}: ${name}`))
  for (const name of [
    'halfway-server: add inquiries.request',
    'halfway-workers: process inquiries',
    'halfway-workers: attempt',
    'halfway-workers: call bot',
    'halfway-bots: run',
    'halfway-bots: write',
    'halfway-server: push',
  ])
    expect(names).toContain(name)
  for (const secret of [MOBILE, NATIONAL_CODE, code, hash, 'req_', 'session'])
    expect(withoutNumbers(collector.text()), secret).not.toContain(secret)
})

it('without the SDK a process warns once what to install, and runs', async () => {
  const workers = startWithoutSdk('workers/main.ts', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' })
  await workers.waitForOutput('"msg":"started"')
  expect(workers.output().match(/"level":"?(?:40|warn).*/g)).toEqual([
    expect.stringContaining(
      `${MISSING}: the SDK is missing. npm install --save-prod @opentelemetry/sdk-trace-node@2 `,
    ),
  ])
  expect(workers.output()).toContain('loading @opentelemetry/sdk-trace-node')
})

it('without OTEL_EXPORTER_OTLP_ENDPOINT nothing of OpenTelemetry is loaded', async () => {
  const server = startWithoutSdk('server/main.ts', { PORT: String(await freePort()) })
  await server.waitForOutput('"msg":"started"')
  expect(server.output()).not.toContain('loading ')
  expect(server.output()).not.toContain(MISSING)
})

/** Ids and times have any digits. */
const withoutNumbers = (text: string): string =>
  text.replace(/"(?:traceId|spanId|parentSpanId|startTimeUnixNano|endTimeUnixNano)":"\w+"/g, '')
