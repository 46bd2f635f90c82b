/** How often the server waits for Redis in one call. */
import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { REQUIRE_OTP, START } from '../helpers/record.ts'
import { monitorRedis, onRealRedis, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { startTcpProxy } from '../helpers/tcp-proxy.ts'

const redis = await useRedis()
const target = new URL(redis.url)
const isSocket = target.protocol === 'unix:'
const proxy = await startTcpProxy(
  isSocket ? { path: target.pathname } : { host: target.hostname, port: Number(target.port) },
)
const address = `127.0.0.1:${proxy.port}`
const url = isSocket ? `redis://${address}` : redis.url.replace(target.host, address)
const server = await useServer({ ...redis, url })

/** The median of several calls: by chance a command of another part adds a round trip, or shares one. */
async function roundTripsOf(call: () => Promise<unknown>): Promise<number> {
  const counts: number[] = []
  for (let i = 0; i < 7; i++) {
    const before = proxy.roundTrips
    await call()
    counts.push(proxy.roundTrips - before)
  }
  return counts.sort((a, b) => a - b)[3] as number
}

test('a submit takes 2 round trips: limits and round; record, job and position', async () => {
  const submit = () => server.api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)
  await submit()
  expect(await roundTripsOf(submit)).toBe(2)
})

test.runIf(onRealRedis)('a submit stores the record before it adds the job', async () => {
  const seen: string[] = []
  await monitorRedis(redis.url, (command) => seen.push(command))
  const { body } = await server.api.post('/api/local-requests').send(CREDIT_SCORE).expect(202)
  const ofRequest = (): string[] => seen.filter((command) => command.includes(body.hash))
  const findIndex = (pattern: RegExp): number => ofRequest().findIndex((command) => pattern.test(command))
  await eventually(() => expect(findIndex(/^zadd \S*:prioritized /i)).toBeGreaterThan(0))
  expect(findIndex(/^set .*local_request/i)).toBeGreaterThan(0)
  expect(findIndex(/^zadd \S*:prioritized /i)).toBeGreaterThan(findIndex(/^set .*local_request/i))
})

test('a submit of a browser session takes as many, although it is listed', async () => {
  const cookie = server.sessionCookie('session-0000000000001')
  const submit = () =>
    server.api
      .post('/api/local-requests')
      .set('Cookie', cookie)
      .send({ service_slug: 'link-check', request_data: { url: 'https://example.com/' } })
      .expect(202)
  await submit()
  expect(await roundTripsOf(submit)).toBe(2)
})

test('a code takes 2 round trips if this process has read the request: rate limit and commit', async () => {
  const hashes = await Promise.all(Array.from({ length: 8 }, () => server.given([START, REQUIRE_OTP])))
  for (const hash of hashes) await server.api.get(`/api/local-requests/${hash}/status`).expect(200)
  const submitCode = () =>
    server.api.post(`/api/local-requests/${hashes.pop()}/otp`).send({ otp: '483920' }).expect(202)
  expect(await roundTripsOf(submitCode)).toBe(2)
})

test('a status takes 1 round trip, with the sign of life of the bot', async () => {
  const hashes = await Promise.all(Array.from({ length: 8 }, () => server.given([START])))
  const status = () => server.api.get(`/api/local-requests/${hashes.pop()}/status`).expect(200)
  expect(await roundTripsOf(status)).toBe(1)
})
