/**
 * Other programs write the records of running requests by GET, SETEX and PUBLISH while a Halfway bot does, and leave invalid
 * values: no own write is lost, and no page goes back.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { io } from 'socket.io-client'
import { afterAll, expect, test } from 'vitest'
import { createUpdater } from '../../bots/updater.ts'
import { AppError } from '../../core/domain/errors.ts'
import { isFinal, type PublicView, type RequestRecord } from '../../core/domain/record.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import type { WatchResponse } from '../../server/socket-watches.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { START } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { collectLog, useServer } from '../helpers/server.ts'
import './fault-meta.ts'

const REQUESTS = 20
const WRITES = 25
const WRITES_AFTER_THE_END = 8

const redis = await useRedis()
const { log, lines } = collectLog()
const server = await useServer(redis, { log })
const foreign = await redis.connections.connect('patient')
const updater = await createUpdater({ redis: redis.url, log: quiet })
afterAll(() => updater.stop())

/** A page: its first state and every later one. */
async function openPage(hash: string) {
  const socket = io(server.address, { transports: ['websocket'], forceNew: true, reconnection: false })
  afterAll(() => void socket.disconnect())
  const views: PublicView[] = []
  socket.on('request:update', (view: PublicView) => views.push(view))
  const answer = (await socket.timeout(3000).emitWithAck('request:watch', { hash })) as WatchResponse
  if (!answer.ok) throw new Error(`refused: ${answer.problem.code}`)
  views.unshift(answer.data)
  return { views, last: () => views.at(-1) as PublicView, close: () => socket.disconnect() }
}

const status = async (hash: string): Promise<PublicView> =>
  (await server.api.get(`/api/local-requests/${hash}/status`).expect(200)).body as PublicView

const pauseMs = (): number => Math.floor(Math.random() * 5)

/** Changes that other programs make to a record; the fourth only serializes the JSON again. */
const HABITS: ((record: RequestRecord, report: Report) => object)[] = [
  (record, report) => ({ ...record, ...report }),
  ({ version: _dropped, ...record }, report) => ({ ...record, ...report }),
  (record, report) => ({ ...record, ...report, version: Math.max(0, record.version - 3) }),
  ({ status }, report) => ({ status, ...report, remote_addr: 'private-address' }),
  (record, report) => ({ ...record, ...report, version: record.version + 1 }),
  (record, report) => ({ ...record, ...report, progress: 900 }),
]
type Report = { progress: number; current_message: string; status?: 'completed'; result_data?: unknown }

interface ForeignWrite {
  message: string
  wroteAt: number
}

/** Another program that reads, pauses and writes; it has just read when `end` is committed. */
async function foreignBot(
  hash: string,
  n: number,
  writes: ForeignWrite[],
  message: string,
  end?: Promise<unknown>,
) {
  const raw = await foreign.get(keys.record(hash))
  if (raw === null) throw new Error('the record is gone')
  await sleep(pauseMs())
  await end
  // Only near the end: from then on every progress is 99.
  const habit = HABITS[n % (n < WRITES - 6 ? HABITS.length - 1 : HABITS.length)] as (typeof HABITS)[number]
  const json = JSON.stringify(habit(JSON.parse(raw), { progress: n * 3, current_message: message }))
  await foreign.setex(keys.record(hash), 1800 + n, json)
  writes.push({ message, wroteAt: performance.now() })
  await foreign.publish(keys.channel(hash), json)
}

type End = 'completes' | 'is cancelled' | 'is completed by the other' | 'runs on'
const ENDS: End[] = ['completes', 'is cancelled', 'is completed by the other', 'runs on']

/** Runs one request with both writers past its end; throws where a guarantee is broken. */
async function runRequest(n: number): Promise<number> {
  const end = ENDS[n % ENDS.length] as End
  const hash = await server.given([START])
  const expiresAt = (await status(hash)).expires_at
  const page = await openPage(hash)
  const foreignWrites: ForeignWrite[] = []
  let ownWroteAt = 0
  const others = (async () => {
    for (let i = 0; i < WRITES; i++) await foreignBot(hash, i, foreignWrites, `theirs ${i}`)
  })()
  for (let i = 0; i < WRITES; i++) {
    ownWroteAt = performance.now()
    await updater.updateProgress(hash, i * 2, i < 10 ? 'first' : 'second', `ours ${i}`)
    const seen = await status(hash)
    expect(seen.progress).toBeGreaterThanOrEqual(i * 2)
    await sleep(pauseMs())
  }
  await others

  const settled = await status(hash)
  const later = foreignWrites.filter(({ wroteAt }) => wroteAt > ownWroteAt).map(({ message }) => message)
  expect([`ours ${WRITES - 1}`, ...later]).toContain(settled.current_message)
  expect(settled).toMatchObject({ status: 'processing', attempt: 1, expires_at: expiresAt })

  const ending = endRequest(end, hash, foreignWrites)
  // Other programs have read before the end and write after it.
  await Promise.all([ending, foreignBot(hash, 7, foreignWrites, 'too late', ending)])
  for (let i = 0; i < WRITES_AFTER_THE_END; i++) await foreignBot(hash, i, foreignWrites, 'far too late')
  const ended = await ending

  const shown = await status(hash)
  expect(shown.status).toBe(ended.status)
  expect(shown.result_data).toEqual(ended.result_data)
  await eventually(() => expect(page.last()).toMatchObject({ version: shown.version, status: shown.status }))
  page.close()
  expectNothingWentBack(page.views)
  const life = await foreign.call('PEXPIRETIME', keys.record(hash))
  expect(life).toBe(Date.parse(shown.expires_at))
  if (!isFinal(shown.status)) expect(shown.expires_at).toBe(expiresAt)
  return WRITES + foreignWrites.length + 1
}

async function endRequest(
  end: End,
  hash: string,
  foreignWrites: ForeignWrite[],
): Promise<Pick<PublicView, 'status' | 'result_data'>> {
  if (end === 'completes') {
    await updater.markAsCompleted(hash, { score: 712 })
    return { status: 'completed', result_data: { score: 712 } }
  }
  if (end === 'is cancelled') {
    await server.api.post(`/api/local-requests/${hash}/cancel`).expect(200)
    return { status: 'cancelled', result_data: null }
  }
  if (end === 'runs on') return { status: 'processing', result_data: null }
  const record = JSON.parse((await foreign.get(keys.record(hash))) as string) as RequestRecord
  const json = JSON.stringify({ ...record, status: 'completed', result_data: { score: 1 } })
  await foreign.setex(keys.record(hash), 1800, json)
  foreignWrites.push({ message: '', wroteAt: performance.now() })
  await foreign.publish(keys.channel(hash), json)
  await eventually(async () => expect(await status(hash)).toMatchObject({ status: 'completed' }))
  await expect(updater.updateProgress(hash, 50)).rejects.toThrow(AppError)
  return { status: 'completed', result_data: { score: 1 } }
}

function expectNothingWentBack(views: PublicView[]): void {
  const versions = views.map(({ version }) => version)
  expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b))
  const progress = views.map((view) => view.progress)
  expect(progress).toEqual([...progress].sort((a, b) => a - b))
  const end = views.findIndex((view) => isFinal(view.status))
  if (end >= 0) expect(new Set(views.slice(end).map((view) => view.status)).size).toBe(1)
  expect(JSON.stringify(views)).not.toContain('private-')
}

test('1,000 mixed own and foreign writes lose no own write', async (ctx) => {
  const runs = await Promise.allSettled(Array.from({ length: REQUESTS }, (_, n) => runRequest(n)))
  const writes = runs.reduce((sum, run) => sum + (run.status === 'fulfilled' ? run.value : 0), 0)
  const survived = runs.filter((run) => run.status === 'fulfilled').length
  ctx.task.meta.fault = { name: 'foreign bots', requests: REQUESTS, survived, note: `${writes} writes` }
  expect(runs.filter((run) => run.status === 'rejected').map(({ reason }) => reason)).toEqual([])
  expect(writes).toBeGreaterThanOrEqual(1000)
})

const INVALID_JSON: [string, string][] = [
  ['no JSON', 'progress: 50'],
  ['a list', '[1,2,3]'],
  ['wrong types', '{"status":17,"progress":{},"version":[]}'],
  ['10 MB', JSON.stringify({ status: 'processing', result_data: 'x'.repeat(10_000_000) })],
  ['__proto__', '{"__proto__":{"status":"completed","is_completed":true}}'],
]

test('invalid JSON in the record and on the channel shows the last valid state and is repaired', async (ctx) => {
  let survived = 0
  for (const [, invalidJson] of INVALID_JSON) {
    const hash = await server.given([START])
    await updater.updateProgress(hash, 30, 'first', 'Good')
    const [page, good] = [await openPage(hash), await status(hash)]
    lines.length = 0
    for (let i = 0; i < 3; i++) {
      await foreign.set(keys.record(hash), invalidJson)
      await foreign.publish(keys.channel(hash), invalidJson)
    }
    expect(await status(hash)).toEqual({ ...good, estimated_remaining_time: expect.any(Number) })
    const late = await openPage(hash)
    expect(late.last()).toMatchObject({ version: good.version, progress: 30 })
    await updater.updateProgress(hash, 40, 'second', 'Mended')
    const repaired = { version: good.version + 1, progress: 40, current_message: 'Mended' }
    for (const { last } of [page, late]) await eventually(() => expect(last()).toMatchObject(repaired))
    expect(await status(hash)).toMatchObject(repaired)
    expectNothingWentBack(page.views)
    const logged = lines.map((line) => JSON.parse(line)).filter((line) => line.level >= 40)
    expect(logged.map((line) => [line.level, line.request])).toEqual([
      [40, shortReference(hash)],
      [40, shortReference(hash)],
    ])
    expect(new Set(logged.map(({ msg }) => msg)).size).toBe(2)
    expect(({} as { is_completed?: true }).is_completed).toBeUndefined()
    for (const { close } of [page, late]) close()
    survived++
  }
  ctx.task.meta.fault = { name: 'invalid values in the record', requests: INVALID_JSON.length, survived }
  expect(lines.join('')).not.toContain('private-')
})
