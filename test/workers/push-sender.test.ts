/** Browsers are notified of what happens to their requests, by a push service of the tests. */

import { afterAll, describe, expect, it } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { toPublicView } from '../../core/domain/record.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { openInstallationSecret } from '../../core/redis/installation-secret.ts'
import { createVapidKeys } from '../../core/redis/vapid-keys.ts'
import { createPushSubscriptions } from '../../core/store/push-subscriptions.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { createPushClient } from '../../workers/push-client.ts'
import { startPushSender } from '../../workers/push-sender.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { usePushService } from '../helpers/push-service.ts'
import { applyCommands, aRecord, progressTo, REQUIRE_OTP, START, TTL_SECONDS } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { collectLog } from '../helpers/server.ts'

const { log, lines: logged } = collectLog('debug')
const { connections } = await useRedis()
const redis = await connections.connect('patient')
const { names } = redis
const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
const subscriptions = createPushSubscriptions({ redis })
const pushService = await usePushService()
const secret = await openInstallationSecret(redis)
cleanUp(secret.stop)
const client = createPushClient({
  keys: createVapidKeys(secret),
  contact: 'mailto:operator@example.com',
  hosts: [pushService.origin, '127.0.0.1'],
})

// Several, like the several worker processes of an installation.
const senders = [1, 2, 3].map(() =>
  startPushSender({
    store,
    subscriptions,
    client,
    log,
    now: Date.now,
    everyMs: 10,
    lookAgainMs: 10,
    retryMs: 10,
  }),
)
afterAll(async () => {
  await Promise.all(senders.map((sender) => sender.stop()))
  await client.stop()
})

let browsers = 0
/** A request after these commands, to which browsers have subscribed then. */
async function subscribed(
  commands: readonly Command[] = [START],
  endpoints?: string[],
): Promise<{ hash: string; browser: string; apply(command: Command): Promise<void> }> {
  const browser = `browser-${++browsers}`
  const record = applyCommands(aRecord(), commands)
  await store.create(record)
  for (const endpoint of endpoints ?? [pushService.endpoint(browser)])
    await subscriptions.add(toPublicView(record, Date.now()), endpoint, Date.now())
  return {
    hash: record.hash,
    browser,
    async apply(command) {
      expect(await store.apply(record.hash, command)).toMatchObject({ ok: true })
    },
  }
}
const isOver = (hash: string) =>
  eventually(async () => {
    expect(await redis.exists(names.push(hash))).toBe(0)
    expect(await redis.zscore(names.pushes, hash)).toBeNull()
  })
const countOf = (browser: string, count: number) =>
  eventually(() => expect(pushService.of(browser)).toHaveLength(count))

const COMPLETE: Command = { type: 'complete', attempt: 1, result: { score: 712 } }

describe('a subscribed browser', () => {
  it('a browser gets one empty, signed push for the question and one for the end', async () => {
    const { hash, browser, apply } = await subscribed()
    await apply(progressTo(50))
    await apply(REQUIRE_OTP)
    await countOf(browser, 1)
    await apply({ type: 'submit_otp', otp: '123456' })
    await apply(COMPLETE)
    await isOver(hash)
    const received = pushService.of(browser)
    expect(received).toHaveLength(2)
    for (const push of received)
      expect(push).toMatchObject({
        fault: null,
        contact: 'mailto:operator@example.com',
        urgency: 'high',
        publicKey: createVapidKeys(secret)().publicKey,
      })
    expect(received[0]?.topic).toMatch(/^[\w-]{32}$/)
    expect(received[1]?.topic).toBe(received[0]?.topic)
    expect(received[0]?.ttlSeconds).toBeGreaterThan(TTL_SECONDS - 60)
    expect(received[0]?.ttlSeconds).toBeLessThanOrEqual(TTL_SECONDS)
  })

  it('a browser is not notified of the state in which it subscribed', async () => {
    const { hash, browser, apply } = await subscribed([START, REQUIRE_OTP])
    await apply({ type: 'cancel', by: 'operator' })
    await isOver(hash)
    expect(pushService.of(browser)).toHaveLength(1)
  })

  it('a browser is notified of an end that a program writes into Redis itself', async () => {
    const { hash, browser } = await subscribed()
    const written = { hash, status: 'completed', progress: 100, result_data: { score: 1 } }
    await redis.setex(names.record(hash), TTL_SECONDS, JSON.stringify(written))
    await isOver(hash)
    expect(pushService.of(browser)).toHaveLength(1)
  })

  it('what a process held that died is taken over by another one', async () => {
    const { hash, browser, apply } = await subscribed()
    // As a process that dies after it has taken it.
    await eventually(async () =>
      expect(await subscriptions.take(Date.now(), 100, Date.now() + 300)).toContain(hash),
    )
    await apply(COMPLETE)
    await isOver(hash)
    expect(pushService.of(browser)).toHaveLength(1)
  })

  it('the subscriptions of a request whose record is gone are removed', async () => {
    const { hash } = await subscribed()
    await redis.del(names.record(hash), names.backup(hash))
    await isOver(hash)
  })

  it('a subscription lives as long as its record', async () => {
    const { hash } = await subscribed()
    await eventually(async () => {
      const [own, record] = await Promise.all([redis.pttl(names.push(hash)), redis.pttl(names.record(hash))])
      expect(Math.abs(own - record)).toBeLessThan(2000)
    })
  })

  it('a browser that has unsubscribed gets nothing, and the others do', async () => {
    const [stays, leaves] = ['stays', 'leaves'].map(pushService.endpoint) as [string, string]
    const { hash, apply } = await subscribed([START], [stays, leaves])
    await subscriptions.remove(hash, leaves)
    await apply(COMPLETE)
    await isOver(hash)
    expect(pushService.of('stays')).toHaveLength(1)
    expect(pushService.of('leaves')).toHaveLength(0)
  })
})

describe('the answer of a push service', () => {
  it.each([404, 410])('a subscription that the push service answers with %i is removed', async (status) => {
    const { hash, browser, apply } = await subscribed()
    pushService.answers(browser, { status })
    await apply(REQUIRE_OTP)
    await eventually(async () => expect(await redis.exists(names.push(hash))).toBe(0))
    await apply({ type: 'cancel', by: 'user' })
    await isOver(hash)
    expect(pushService.of(browser)).toHaveLength(1)
  })

  it.each([429, 500, 503])('a push that is answered with %i is sent again', async (status) => {
    const { hash, browser, apply } = await subscribed()
    pushService.answers(browser, { status, headers: { 'retry-after': '0' } }, { status }, { status: 201 })
    await apply(COMPLETE)
    await isOver(hash)
    expect(pushService.of(browser)).toHaveLength(3)
  })

  it('a push is tried five times at most, and the next news is sent all the same', async () => {
    const { hash, browser, apply } = await subscribed()
    pushService.answers(browser, ...Array.from({ length: 5 }, () => ({ status: 503 })), { status: 201 })
    await apply(REQUIRE_OTP)
    await eventually(async () =>
      expect(logged.filter((line) => line.includes(shortReference(hash)))).toHaveLength(1),
    )
    expect(logged.find((line) => line.includes(shortReference(hash)))).toContain('status 503')
    expect(pushService.of(browser)).toHaveLength(5)
    await apply({ type: 'cancel', by: 'user' })
    await isOver(hash)
    expect(pushService.of(browser)).toHaveLength(6)
  })

  it('a wait that the push service asks for is kept', async () => {
    const { hash, browser, apply } = await subscribed()
    pushService.answers(browser, { status: 429, headers: { 'retry-after': '120' } })
    await apply(REQUIRE_OTP)
    await eventually(async () => {
      const state = JSON.parse((await redis.hget(names.push(hash), pushService.endpoint(browser))) ?? '{}')
      expect(state.retryAt).toBeGreaterThan(Date.now() + 100_000)
    })
    expect(pushService.of(browser)).toHaveLength(1)
  })

  it.each([400, 401, 403, 413])('a push that is answered with %i is not sent again', async (status) => {
    const { hash, browser, apply } = await subscribed()
    pushService.answers(browser, { status })
    await apply(COMPLETE)
    await isOver(hash)
    expect(pushService.of(browser)).toHaveLength(1)
  })

  it('a redirect is not followed', async () => {
    const { hash, browser, apply } = await subscribed()
    const location = pushService.endpoint('elsewhere')
    pushService.answers(browser, { status: 307, headers: { location } })
    await apply(COMPLETE)
    await isOver(hash)
    expect(pushService.of('elsewhere')).toHaveLength(0)
  })
})

describe('the address of a push service', () => {
  const send = (endpoint: string) => client.send({ endpoint, hash: 'req_x', ttlSeconds: 60 })

  it('an address that PUSH_HOSTS does not allow is not called', async () => {
    for (const endpoint of [
      'https://elsewhere.example/push',
      'http://127.0.0.1/push',
      'https://127.0.0.1:8443/push',
      'https://user:password@127.0.0.1/push',
    ])
      expect(await send(endpoint)).toEqual({ is: 'gone' })
  })

  it('a host that is allowed by name is not called at a private address', async () => {
    expect(await send('https://127.0.0.1/push')).toEqual({
      is: 'failed',
      reason: 'AddressNotAllowed',
      retryAfterMs: 0,
    })
  })
})

it('no log has the address of a browser', () => {
  expect(logged.length).toBeGreaterThan(0)
  expect(logged.filter((line) => line.includes('/push/'))).toEqual([])
})
