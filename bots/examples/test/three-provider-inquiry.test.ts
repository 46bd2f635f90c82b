/** Three providers: the demo portal's answers, and the bot's result, over real HTTP and a real Redis. */
import type { ServerResponse } from 'node:http'
import { afterAll, describe, expect, test } from 'vitest'
import { FIELD_TYPES } from '../../../core/catalog/fields.ts'
import { createRecord } from '../../../core/domain/create-record.ts'
import type { RequestRecord } from '../../../core/domain/record.ts'
import { loadConfig } from '../../../core/runtime/config.ts'
import { openConcurrency } from '../../../core/tasks/compose.ts'
import { aHash, START, TTL_SECONDS } from '../../../test/helpers/record.ts'
import { quiet, useRedis } from '../../../test/helpers/redis.ts'
import { useRequests } from '../../../test/helpers/requests.ts'
import { createRunRegistry } from '../../bot-server/run-registry.ts'
import { createUpdater } from '../../updater.ts'
import { createService } from '../three-provider-inquiry/index.ts'
import { healthOf, running, start, startPortal, stop } from './local-portal.ts'

const TASKS = new URL('../tasks.ts', import.meta.url).href
/** For the second one, the quickest provider is down. */
const [ODD, EVEN] = ['0012345679', '0012345768'] as const

const redis = await useRedis()
const { store, applyCommand } = await useRequests(redis)
const updater = await createUpdater({ redis: redis.url, log: quiet })
const config = loadConfig({ REDIS_URL: redis.url, CONCURRENCY_DRIVER: 'sync' })
const concurrency = openConcurrency({ config, tasks: TASKS, log: quiet })
afterAll(async () => {
  await concurrency.stop()
  await updater.stop()
})

/** The answer to the worker, and the record after it. */
async function inquire(portalUrl: string, nationalCode: string) {
  const { service, handle } = createService({ portalUrl })
  const { slug } = service
  const handlers = new Map([[slug, handle]])
  const runs = createRunRegistry({ updater, handlers, concurrency, log: quiet })
  const hash = aHash()
  const data = { national_code: nationalCode }
  await store.create(
    createRecord({
      hash, service, requestData: data, sessionId: null, now: Date.now(), ttlSeconds: TTL_SECONDS,
    }),
  ) // biome-ignore format: a record
  await applyCommand(hash, START)
  const answer = await runs.run({ slug, hash, attempt: 1, data, caller: new AbortController().signal })
  return { answer, record: (await store.read(hash))?.record as RequestRecord }
}

const partsOf = ({ steps }: RequestRecord): Record<string, string> =>
  Object.fromEntries(
    steps.filter(({ of }) => of === 'asking').map(({ id, state, outcome }) => [id, outcome ?? state]),
  )

interface Score {
  score: number
  rating: string
  checked_at: string
  confidence: number
}
const ask = async (portal: string, provider: string, nationalCode: string) => {
  const response = await fetch(`${portal}/providers/${provider}/score?national_code=${nationalCode}`)
  return { status: response.status, body: (await response.json()) as Score }
}

describe('the demo providers', () => {
  test('a provider answers the same national code alike, and slower providers are more confident', async () => {
    const portal = await startPortal()
    const confidences: number[] = []
    for (const provider of ['swift', 'steady', 'thorough']) {
      const { status, body } = await ask(portal, provider, ODD)
      expect(status).toBe(200)
      expect(body).toEqual({
        score: expect.toSatisfy((score) => Number.isInteger(score) && score >= 0 && score <= 900),
        rating: expect.stringMatching(/^[A-E]$/),
        checked_at: new Date(body.checked_at).toISOString(),
        confidence: expect.toSatisfy((percent) => Number.isInteger(percent) && percent <= 100),
      })
      const { checked_at: _now, ...again } = (await ask(portal, provider, ODD)).body
      expect(body).toMatchObject(again)
      confidences.push(body.confidence)
    }
    expect(confidences).toEqual([...confidences].sort((a, b) => a - b))
    expect(new Set(confidences).size).toBe(3)
  })

  test('the quickest provider is down for even national codes', async () => {
    const portal = await startPortal()
    expect(FIELD_TYPES.national_code.schema.safeParse(EVEN).success).toBe(true)
    expect((await ask(portal, 'swift', EVEN)).status).toBe(503)
    expect((await ask(portal, 'steady', EVEN)).status).toBe(200)
    expect((await ask(portal, 'thorough', EVEN)).status).toBe(200)
  })

  test('providers answer errors in JSON', async () => {
    const portal = await startPortal()
    expect(await ask(portal, 'steady', '0012345678')).toEqual({
      status: 422,
      body: { error: 'national_code' },
    })
    expect(await ask(portal, 'nobody', ODD)).toEqual({ status: 404, body: { error: 'not_found' } })
  })

  test('providers delay their answers, and stop when the client disconnects', async () => {
    const portal = await startPortal({ speed: 0.1 })
    const abort = new AbortController()
    const url = `${portal}/providers/swift/score?national_code=${ODD}`
    const request = fetch(url, { signal: abort.signal })
    await expect.poll(async () => (await healthOf(portal)).waiting).toBe(1)
    abort.abort()
    await expect(request).rejects.toThrow()
    await expect.poll(async () => (await healthOf(portal)).waiting).toBe(0)
  })
})

const TIMED_SCORE = {
  score: expect.any(Number),
  confidence: expect.any(Number),
  seconds: expect.toSatisfy((seconds) => seconds >= 0),
}

/** The portal, but one provider answers otherwise, or never. */
const inFrontOf = (
  portal: string,
  provider: string,
  answer: (res: ServerResponse) => void,
): Promise<string> =>
  start(async ({ url = '' }, res) => {
    if (url.includes(provider)) return answer(res)
    const real = await fetch(portal + url)
    res.writeHead(real.status).end(await real.text())
  })

describe('the three-provider bot', () => {
  test('an inquiry returns the most confident of the first two answers', async () => {
    const portal = await startPortal()
    const slow = await inFrontOf(portal, 'thorough', () => {})
    const { answer, record } = await inquire(slow, ODD)
    const { body } = await ask(portal, 'steady', ODD)
    expect(answer).toMatchObject({ status: 'success', code: 'COMPLETED' })
    expect(record).toMatchObject({ status: 'completed', progress: 100 })
    expect(record.result_data).toEqual({
      ...body,
      checked_at: expect.stringMatching(/Z$/),
      provider: 'steady',
      chosen_because: 'most_confident',
      providers: [
        { provider: 'swift', outcome: 'answered', ...TIMED_SCORE },
        {
          provider: 'steady',
          outcome: 'taken',
          score: body.score,
          confidence: body.confidence,
          seconds: TIMED_SCORE.seconds,
        },
        { provider: 'thorough', outcome: 'not_needed' },
      ],
    })
    expect(partsOf(record)).toEqual({ swift: 'done', steady: 'done', thorough: 'skipped' })
  })

  test('an inquiry completes with the two other providers where one is down', async () => {
    const portal = await startPortal()
    const { record } = await inquire(portal, EVEN)
    expect(record.result_data).toMatchObject({
      provider: 'thorough',
      providers: [{ outcome: 'failed' }, { outcome: 'answered' }, { outcome: 'taken' }],
    })
    expect(partsOf(record)).toEqual({ swift: 'failed', steady: 'done', thorough: 'done' })
  })

  test('an inquiry where two providers are down is a retryable failure with a message', async () => {
    const portal = await startPortal()
    const broken = await inFrontOf(portal, 'steady', (res) => res.writeHead(500).end('<h1>Sorry</h1>'))
    const { answer, record } = await inquire(broken, EVEN)
    expect(answer).toEqual({
      status: 'error',
      code: 'too_few_answers',
      retryable: true,
      message: 'Fewer than 2 providers answered, which is too few to compare.',
      message_key: 'too_few_answers',
      message_params: { need: 2 },
      cause: { name: 'BotFailure', at: expect.stringContaining('tasks.ts') },
    })
    expect(partsOf(record)).toMatchObject({ swift: 'failed', steady: 'failed' })
    expect(JSON.stringify(answer)).not.toContain(EVEN)
  })

  test('an inquiry without any provider is a retryable failure', async () => {
    const portal = await startPortal()
    await Promise.all(running.splice(0).map(stop))
    const { answer, record } = await inquire(portal, ODD)
    expect(answer).toMatchObject({ code: 'too_few_answers', retryable: true })
    expect(Object.values(partsOf(record)).filter((state) => state === 'failed').length).toBeGreaterThan(1)
  })

  test('an invalid answer of a provider counts as a failure', async () => {
    const invalid = await start((_req, res) => res.end('{"score":"high","rating":"A"}'))
    const { answer } = await inquire(invalid, ODD)
    expect(answer).toMatchObject({ code: 'too_few_answers', retryable: true })
  })
})
