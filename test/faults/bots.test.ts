/** Misbehaving bots: for every answer, the request ends and the page shows its outcome. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { expect, type TestContext, test } from 'vitest'
import type { Status } from '../../core/domain/record.ts'
import { announceServices } from '../helpers/announced.ts'
import { eventually } from '../helpers/eventually.ts'
import { useRedis } from '../helpers/redis.ts'
import type { Fault } from './fault-meta.ts'
import { startInstallation } from './installation.ts'
import { collectOutcome, expectNoSecrets, type Person, plainScript, submitAndWatch } from './people.ts'
import { WAYS } from './watchers.ts'

const redis = await useRedis()
await announceServices(await redis.connections.connect('patient'))

interface Call {
  hash: string
  res: ServerResponse
  /** The number of this call for the request, from 1. */
  turn: number
  at: number
}
type Manner = (call: Call) => unknown

/** A bot that answers each request with the next case, in order of arrival. */
async function startBot({ onTestFinished }: TestContext, manners: Map<string, Manner>) {
  const calls: Call[] = []
  const server = createServer(async (req, res) => {
    let body = ''
    for await (const chunk of req.setEncoding('utf8')) body += chunk
    const { requestHash: hash, mobile } = JSON.parse(body) as { requestHash: string; mobile: string }
    const call = { hash, res, turn: calls.filter((call) => call.hash === hash).length + 1, at: Date.now() }
    calls.push(call)
    await manners.get(mobile)?.(call)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close().closeAllConnections())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls }
}

const DONE = JSON.stringify({
  status: 'success',
  code: 'COMPLETED',
  message: 'Done.',
  data: { run: 'right' },
})
const done: Manner = ({ res }) => res.writeHead(200, { 'content-type': 'application/json' }).end(DONE)
/** Misbehaves in the first call only. */
const atFirst =
  (manner: Manner): Manner =>
  (call) =>
    call.turn === 1 ? manner(call) : done(call)

const RETRY_AFTER_SECONDS = 3

test('a request ends for every invalid answer of a bot', async (ctx) => {
  const foreign = new Redis(redis.url.replace('unix://', ''))
  ctx.onTestFinished(() => foreign.disconnect())
  const cancelled = new Set<string>()
  const cases: { name: string; manner: Manner; ends: Status; calls: number }[] = [
    {
      name: 'bot answers slowly',
      manner: async ({ res }) => {
        res.writeHead(200, { 'content-type': 'application/json' })
        for (const character of DONE) {
          res.write(character)
          await sleep(30)
        }
        res.end()
      },
      ends: 'completed',
      calls: 1,
    },
    {
      name: 'bot gives half an answer',
      manner: atFirst(({ res }) => {
        res.writeHead(200, { 'content-type': 'application/json', 'content-length': DONE.length })
        res.write(DONE.slice(0, 20), () => res.destroy())
      }),
      ends: 'completed',
      calls: 2,
    },
    {
      name: 'bot answers 10 MB',
      manner: ({ res }) => res.writeHead(200).end(`{"status":"success","data":"${'x'.repeat(10_000_000)}"}`),
      ends: 'failed',
      calls: 1,
    },
    {
      name: 'bot answers wrong JSON',
      manner: ({ res }) => res.writeHead(200).end('[{"status":"success"'),
      ends: 'failed',
      calls: 1,
    },
    {
      name: 'bot answers after cancel',
      manner: async (call) => {
        await eventually(() => expect([...cancelled]).toContain(call.hash), { withinMs: 20_000 })
        await writePlainly(foreign, call.hash, {
          status: 'completed',
          progress: 100,
          result_data: { run: 'late' },
        })
        done(call)
      },
      ends: 'cancelled',
      calls: 1,
    },
    {
      name: 'bot answers twice',
      manner: async (call) => {
        await writePlainly(foreign, call.hash, {
          status: 'completed',
          progress: 100,
          result_data: { run: 'right' },
        })
        await eventually(async () =>
          expect(await foreign.get(`local_request:${call.hash}`)).toContain('completed'),
        )
        call.res.writeHead(200).end(DONE.replace('right', 'wrong'))
      },
      ends: 'completed',
      calls: 1,
    },
    {
      name: 'bot says 429 with Retry-After',
      manner: atFirst(({ res }) => res.writeHead(429, { 'retry-after': String(RETRY_AFTER_SECONDS) }).end()),
      ends: 'completed',
      calls: 2,
    },
  ]
  const manners = new Map<string, Manner>()
  const bot = await startBot(ctx, manners)
  const halfway = await startInstallation(ctx, { settings: { REDIS_URL: redis.url }, botUrl: bot.url })
  const people: Person[] = []
  for (const { manner } of cases) {
    people.push(
      await submitAndWatch(halfway, plainScript(1, 0), WAYS, ({ mobile }) => manners.set(mobile, manner)),
    )
  }
  const toCancel = people[cases.findIndex(({ ends }) => ends === 'cancelled')] as Person
  await eventually(() => expect(toCancel.watchers[0]?.shown?.status).toBe('processing'), { withinMs: 20_000 })
  const answer = await fetch(`${halfway.urls[0]}/api/local-requests/${toCancel.hash}/cancel`, {
    method: 'POST',
  })
  expect(answer.status).toBe(200)
  cancelled.add(toCancel.hash)

  const outcome = await collectOutcome(halfway, people)
  const faults = cases.map(({ name, ends, calls }, i): Fault => {
    const { hash, watchers } = people[i] as Person
    const made = bot.calls.filter((call) => call.hash === hash)
    const asExpected = watchers.every(({ shown }) => shown?.status === ends) && made.length === calls
    const survived = asExpected && !outcome.wrong.some((line) => line.startsWith(hash)) ? 1 : 0
    return { name, requests: 1, survived, note: `${watchers[0]?.shown?.status} after ${made.length} call(s)` }
  })
  ctx.task.meta.fault = faults
  expect(outcome.wrong).toEqual([])
  expect(faults.filter(({ survived }) => survived === 0)).toEqual([])

  expectNoSecrets(halfway, people)

  const [busy, answered] = bot.calls.filter(({ hash }) => hash === people.at(-1)?.hash)
  expect((answered?.at ?? 0) - (busy?.at ?? 0)).toBeGreaterThanOrEqual(RETRY_AFTER_SECONDS * 1000)
  for (const { watchers } of people) {
    const { shown } = watchers[0] ?? {}
    if (shown?.is_completed) expect(shown.result_data).toEqual({ run: 'right' })
  }
})

/** Writes as a program without Halfway's code does. */
async function writePlainly(redis: Redis, hash: string, change: Record<string, unknown>): Promise<void> {
  const record = JSON.parse((await redis.get(`local_request:${hash}`)) ?? '{}')
  const json = JSON.stringify({ ...record, ...change })
  await redis.setex(`local_request:${hash}`, 1800, json)
  await redis.publish(`local_request_updates:${hash}`, json)
}
