/** What a request that waits says of its queue: a hold by the operator, and when it will be ready. */
import { load } from 'cheerio'
import { io } from 'socket.io-client'
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { createControlStore } from '../../core/store/operator-controls.ts'
import { createRunTimes, type RunTimes } from '../../core/store/run-times.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'
import { catalog, creditScoreRating as service } from '../helpers/services.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const set = createControlStore({ redis: client })
const { slug, queue, steps } = service
const RUNS = 30
const SECONDS = 40

// Before the server reads them.
const runTimes = createRunTimes({ redis: client })
const ended = {
  attempt: 1,
  started_at: '2026-11-24T16:30:00.000Z',
  completed_at: '2026-11-24T16:30:40.000Z',
  steps: steps.map(({ id }) => ({ id, state: 'done', started_at: null, finished_at: null })),
} as Parameters<RunTimes['add']>[1]
for (let i = 0; i < RUNS; i++) await runTimes.add(service, ended, undefined)
const { address, api, controls } = await useServer(redis, {
  services: { ...catalog, capacityOf: () => 1 },
})

const submit = async (more = {}): Promise<PublicView> =>
  (
    await api
      .post('/api/local-requests')
      .send({ ...CREDIT_SCORE, ...more })
      .expect(202)
  ).body
const statusOf = async ({ hash }: PublicView) => api.get(`/api/local-requests/${hash}/status`).expect(200)
const pageOf = async ({ hash }: PublicView) =>
  load((await api.get(`/services/${slug}/progress/${hash}`).expect(200)).text)

// The estimate is read in the background.
beforeAll(async () => {
  const first = await submit()
  await eventually(async () => expect((await statusOf(first)).body.estimated_remaining_range).not.toBeNull())
  await api.post(`/api/local-requests/${first.hash}/cancel`).expect(200)
})

afterEach(async () => {
  await set.resume(queue.name)
  await controls.refresh()
})

test('the remaining time of a waiting request includes those before it, in the answer to its submit, its status and its page', async () => {
  const [first, second] = [await submit(), await submit()]
  // Each may have to wait for one that has just started.
  expect(first).toMatchObject({ queue_position: 1, estimated_remaining_range: [SECONDS, 2 * SECONDS] })
  expect(second).toMatchObject({ queue_position: 2, estimated_remaining_range: [2 * SECONDS, 3 * SECONDS] })
  for (const view of [first, second]) {
    const { queue_position, estimated_remaining_time } = view
    const shown = { queue_position, estimated_remaining_time }
    expect((await statusOf(view)).body).toMatchObject(shown)
    const data = JSON.parse((await pageOf(view))('#page-data').text())
    expect(data.view).toMatchObject(shown)
  }
})

test('the remaining time of a scheduled request includes the time until its start', async () => {
  const view = await submit({ run_at: new Date(Date.now() + 3_600_000).toISOString() })
  expect(view.queue_position).toBeNull()
  expect(view.estimated_remaining_time).toBeGreaterThan(3600)
  expect(view.estimated_remaining_time).toBeLessThanOrEqual(3600 + SECONDS)
})

test('the hold of a queue reaches the page, the status and the socket of a waiting request, and so does its end', async () => {
  const view = await submit()
  const socket = io(address, { transports: ['websocket'], forceNew: true })
  cleanUp(() => void socket.disconnect())
  const received: (string | null)[] = []
  socket.on('request:update', ({ queue_hold }: PublicView) => received.push(queue_hold?.message ?? null))
  const { data } = await socket.timeout(5000).emitWithAck('request:watch', { hash: view.hash })
  expect(data.queue_hold).toBeNull()
  const { etag: before } = (await statusOf(view)).headers

  await set.hold(queue.name, 'Back at <5>.')
  await controls.refresh()
  const { body, headers } = await statusOf(view)
  expect(body.queue_hold).toEqual({ message: 'Back at <5>.', since: expect.stringMatching(/Z$/) })
  expect(headers.etag).not.toBe(before)
  const $ = await pageOf(view)
  expect($('[data-live=hold]').text()).toContain('No requests are being started right now.')
  expect($('[data-live=hold]').text()).toContain('Back at <5>.')
  expect($('[data-live=remaining]').text()).toBe('On hold for now')
  await eventually(() => expect(received).toEqual(['Back at <5>.']))

  await set.resume(queue.name)
  await controls.refresh()
  expect((await statusOf(view)).body.queue_hold).toBeNull()
  expect((await pageOf(view))('[data-live=hold]').attr('hidden')).toBeDefined()
  await eventually(() => expect(received).toEqual(['Back at <5>.', null]))
})
