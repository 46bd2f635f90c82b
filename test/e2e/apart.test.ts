/** The processes started separately, as in production, and killed with SIGKILL. */
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { knowsService } from '../helpers/announced.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'
import { TEST_BOT } from '../helpers/halfway.ts'
import { useFolder, useRedis } from '../helpers/redis.ts'
import { newestCode } from '../helpers/test-bot/codes.ts'

const { url: redisUrl } = await useRedis()
const [port, botPort] = (await Promise.all([freePort(), freePort()])).map(String)
const codes = join(useFolder(), 'codes')
const address = `http://127.0.0.1:${port}`
const env = {
  REDIS_URL: redisUrl,
  PORT: port,
  LOCAL_API_PORT: botPort,
  TEST_BOT_CODES: codes,
}

async function start(main: string): Promise<Child> {
  const child = startChild(main, [], env)
  await child.waitForOutput('"msg":"started"')
  return child
}

let bots: Child
const socket = io(address, { transports: ['websocket'] })
beforeAll(async () => {
  ;[bots] = (await Promise.all([TEST_BOT, 'workers/main.ts', 'server/main.ts'].map(start))) as [Child]
  await knowsService(address, 'credit-score-rating')
})
afterAll(() => void socket.disconnect())

const post = (path: string, body: object): Promise<Response> =>
  fetch(`${address}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

describe('a bot that is killed', () => {
  it('a request whose bot is killed while it waits for a code prompts again and completes', async () => {
    const mobile = '09125550001'
    const submitted = await post('/api/local-requests', {
      service_slug: 'credit-score-rating',
      request_data: { mobile, national_code: '0012345679' },
    })
    const { hash } = (await submitted.json()) as PublicView
    const seen: PublicView[] = []
    socket.on('request:update', (view: PublicView) => seen.push(view))
    const answer = await socket.emitWithAck('request:watch', { hash })
    seen.push(answer.data)

    await eventually(() => expect(seen.at(-1)?.requires_otp).toBe(true), { withinMs: 20_000 })
    const { attempt } = seen.at(-1) as PublicView
    bots.process.kill('SIGKILL')
    await bots.ended
    bots = await start(TEST_BOT)
    await eventually(
      () => {
        expect(seen.at(-1)?.requires_otp).toBe(true)
        expect(seen.at(-1)?.attempt).toBeGreaterThan(attempt)
      },
      { withinMs: 30_000 },
    )
    expect(seen).toContainEqual(
      expect.objectContaining({ status: 'processing', next_retry_at: expect.any(String) }),
    )
    expect(
      (await post(`/api/local-requests/${hash}/otp`, { otp: await newestCode(codes, mobile) })).status,
    ).toBe(202)
    await eventually(() => expect(seen.at(-1)?.status).toBe('completed'), { withinMs: 20_000 })
    const progress = seen.map((view) => view.progress)
    expect(progress).toEqual([...progress].sort((a, b) => a - b))
  })
})

describe('a bot that has answered SMS_SENT', () => {
  it('a request whose bot is killed after SMS_SENT prompts again and completes', async () => {
    const mobile = '09125550002'
    const submitted = await post('/api/local-requests', {
      service_slug: 'account-statement',
      request_data: { account_number: '1234567890123', mobile },
    })
    const { hash } = (await submitted.json()) as PublicView
    const view = async (): Promise<PublicView> =>
      (await (await fetch(`${address}/api/local-requests/${hash}/status`)).json()) as PublicView
    const submitCode = async (): Promise<void> => {
      expect(
        (await post(`/api/local-requests/${hash}/otp`, { otp: await newestCode(codes, mobile) })).status,
      ).toBe(202)
    }
    await eventually(async () => expect((await view()).requires_otp).toBe(true), { withinMs: 20_000 })
    bots.process.kill('SIGKILL')
    await bots.ended
    bots = await start(TEST_BOT)
    await submitCode()

    await eventually(async () => expect(await view()).toMatchObject({ requires_otp: true, attempt: 2 }), {
      withinMs: 30_000,
    })
    await submitCode()
    await eventually(async () => expect((await view()).status).toBe('completed'), { withinMs: 20_000 })
    expect((await view()).result_data).toMatchObject({ lines: expect.arrayContaining([]) })
  })
})
