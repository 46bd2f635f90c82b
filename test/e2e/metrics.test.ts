/** What Prometheus reads of the real processes. */
import { afterAll, expect, it } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { type Halfway, startHalfway } from '../helpers/halfway.ts'
import { keys } from '../helpers/keys.ts'
import { samplesOf, sumOf } from '../helpers/metrics.ts'
import { isPromtoolMissing, promtool } from '../helpers/promtool.ts'
import { onRealRedis, quiet } from '../helpers/redis.ts'

const TOKEN = 'q8Vw2Lr7Zt4Xn9Bd6Kf3'
/** One types the right code, one wrong ones, one is scheduled. */
const PEOPLE = ['09121112233', '09124445566', '09127778899'] as const
const NATIONAL_CODE = '0012345768'
const SERVICE = { service: 'credit-score-rating' }

const ports = await Promise.all([freePort(), freePort(), freePort()])
const [METRICS_PORT, WORKER_METRICS_PORT, BOT_METRICS_PORT] = ports.map(String)
const halfway = await startHalfway({
  METRICS_PORT,
  WORKER_METRICS_PORT,
  BOT_METRICS_PORT,
  METRICS_TOKEN: TOKEN,
  SUBMITS_PER_MINUTE: String(PEOPLE.length),
})

afterAll(() => halfway.stop())

const scrape = async (port: number | undefined): Promise<string> =>
  (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
const scrapeAll = (): Promise<string[]> => Promise.all(ports.map(scrape))

const post = (path: string, body: unknown): Promise<Response> =>
  fetch(`${halfway.url}/api/local-requests${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
const submit = (mobile: string, schedule = {}): Promise<Response> =>
  post('', {
    service_slug: SERVICE.service,
    request_data: { mobile, national_code: NATIONAL_CODE },
    ...schedule,
  })
const viewOf = async (response: Response): Promise<PublicView> => (await response.json()) as PublicView

/** Types codes until the request has ended. */
async function typeCodes(
  { codeSentTo }: Halfway,
  hash: string,
  mobile: string,
  isRight: boolean,
): Promise<void> {
  for (;;) {
    const { status } = await eventually(async () => {
      const view = await viewOf(await fetch(`${halfway.url}/api/local-requests/${hash}/status`))
      expect(['otp_required', 'completed', 'failed']).toContain(view.status)
      return view
    })
    if (status !== 'otp_required') return
    const sent = await codeSentTo(mobile)
    await post(`/${hash}/otp`, {
      otp: isRight ? sent : sent.replace(/.$/, (last) => `${(Number(last) + 1) % 10}`),
    })
  }
}

async function foreignFailure(hash: string): Promise<void> {
  const connections = await openRedis({ kind: 'single', url: halfway.redis.url }, quiet)
  const redis = await connections.connect('patient')
  const record = JSON.parse((await redis.get(keys.record(hash))) ?? '')
  const failed = { ...record, status: 'failed', error_data: { code: 'of_another_program', message: 'No' } }
  await redis.setex(keys.record(hash), 999, JSON.stringify(failed))
  await connections.stop()
}

it('a completed, a failed and a foreign request and a refused call are counted once, without anything of a person', async () => {
  const hashes = await Promise.all(
    PEOPLE.map(
      async (mobile, i) => (await viewOf(await submit(mobile, i === 2 ? { delay: 3600 } : {}))).hash,
    ),
  )
  const [right = '', wrong = '', scheduled = ''] = hashes
  const stream = fetch(`${halfway.url}/api/local-requests/${right}/events`).then((response) =>
    response.text(),
  )
  await foreignFailure(scheduled)
  await Promise.all([
    typeCodes(halfway, right, PEOPLE[0], true),
    typeCodes(halfway, wrong, PEOPLE[1], false),
    typeCodes(halfway, scheduled, PEOPLE[2], true),
  ])
  await stream
  expect((await submit(PEOPLE[0])).status).toBe(429)

  const texts = await scrapeAll()
  const samples = texts.flatMap(samplesOf)
  const of = (name: string, labels = {}) => sumOf(samples, `halfway_${name}`, labels)
  expect(of('requests_created_total', SERVICE)).toBe(3)
  expect(of('requests_ended_total', { ...SERVICE, status: 'completed' })).toBe(1)
  expect(of('requests_ended_total', { ...SERVICE, status: 'failed' })).toBe(2)
  expect(of('requests_failed_total', { ...SERVICE, code: 'otp_attempts_exhausted' })).toBe(1)
  expect(of('requests_failed_total', { ...SERVICE, code: 'other' })).toBe(1)
  expect(of('foreign_writes_total')).toBe(1)
  expect(of('rate_limits_hit_total', { limit: 'submit' })).toBe(1)
  expect(of('request_queue_seconds_count', SERVICE)).toBe(2)
  expect(of('request_code_seconds_count', SERVICE)).toBe(2)
  expect(of('request_step_seconds_count', { ...SERVICE, step: 'authentication' })).toBe(2)
  expect(of('request_duration_seconds_count', { ...SERVICE, status: 'completed' })).toBe(1)
  expect(of('deliveries_total', { transport: 'event_stream' })).toBeGreaterThan(2)
  expect(of('delivery_lag_seconds_count', { transport: 'event_stream' })).toBeGreaterThan(2)
  expect(of('worker_jobs_total')).toBeGreaterThanOrEqual(2)
  expect(of('queue_taken', { queue: 'inquiries' })).toBe(1)
  expect(of('bot_slots', SERVICE)).toBe(100)
  expect(of('redis_up')).toBe(1)
  expect(of('redis_writable')).toBe(1)
  for (const secret of [...PEOPLE, NATIONAL_CODE, ...hashes, 'of_another_program', 'Sara'])
    expect(texts.join(), secret).not.toContain(secret)
})

it('the server’s own port answers only with the token', async () => {
  const call = (authorization?: string) =>
    fetch(`${halfway.url}/metrics`, { headers: authorization ? { authorization } : {} })
  expect((await call()).status).toBe(401)
  expect((await call('Bearer local-development-only')).status).toBe(401)
  const answer = await call(`Bearer ${TOKEN}`)
  expect(answer.headers.get('content-type')).toContain('text/plain')
  expect(await answer.text()).toContain('halfway_redis_up')
})

it.skipIf(isPromtoolMissing)('Prometheus accepts what each process answers (needs promtool)', async () => {
  for (const text of await scrapeAll()) expect(promtool(['check', 'metrics'], text)).toBe('')
})

it.runIf(onRealRedis)(
  'while Redis is full, a scrape says so, and not that no worker takes requests',
  async () => {
    const connections = await openRedis({ kind: 'single', url: halfway.redis.url }, quiet)
    const redis = await connections.connect('patient')
    await redis.config('SET', 'maxmemory', '1')
    await eventually(async () => {
      const samples = samplesOf(await scrape(ports[0]))
      expect(samples.find(({ name }) => name === 'halfway_redis_writable')?.value).toBe(0)
      expect(samples.filter(({ name }) => name === 'halfway_queue_taken')).toEqual([])
    }).finally(() => redis.config('SET', 'maxmemory', '0'))
    await connections.stop()
  },
)

it.runIf(onRealRedis)(
  'while Redis does not answer, a scrape takes a second at most and has no state of it',
  async () => {
    process.kill(halfway.redis.pid, 'SIGSTOP')
    try {
      await eventually(async () => {
        const startedAt = performance.now()
        const samples = samplesOf(await scrape(ports[0]))
        // With time for a busy machine.
        expect(performance.now() - startedAt).toBeLessThan(3_000)
        expect(sumOf(samples, 'halfway_redis_up')).toBe(0)
        expect(samples.filter(({ name }) => /^halfway_(queue|bot|redis_memory)/.test(name))).toEqual([])
        expect(sumOf(samples, 'halfway_requests_created_total')).toBe(3)
      })
    } finally {
      process.kill(halfway.redis.pid, 'SIGCONT')
    }
    await eventually(async () => expect(sumOf(samplesOf(await scrape(ports[0])), 'halfway_redis_up')).toBe(1))
  },
)
