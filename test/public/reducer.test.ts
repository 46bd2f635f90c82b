import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { type PublicView, toPublicView } from '../../core/domain/record.ts'
import { transition } from '../../core/domain/state-machine.ts'
import {
  firstState,
  isQueueLate,
  pageKind,
  reduce,
  remainingSeconds,
  type State,
} from '../../public/reducer.ts'
import { catalog } from '../helpers/services.ts'

const T0 = Date.UTC(2026, 5, 1)
const hash = 'req_abcdefghijklmnopqrstuvwxyz'

/** The views of one request, one after each command, a second apart. */
function history(...commands: Command[]): PublicView[] {
  let record = createRecord({
    hash,
    service: catalog.all()[0]!,
    requestData: {},
    sessionId: null,
    now: T0,
    ttlSeconds: 1800,
  })
  const views: PublicView[] = [{ ...toPublicView(record, T0), queue_position: 2 }]
  commands.forEach((command, i) => {
    const now = T0 + (i + 1) * 1000
    const result = transition(record, command, { now, ttlSeconds: 1800 })
    if (!result.ok) throw new Error(result.rejection)
    record = result.record
    views.push(toPublicView(record, now))
  })
  return views
}

const start: Command = { type: 'start', attempt: 1 }
const progress = (percent: number): Command => ({
  type: 'progress',
  attempt: 1,
  progress: percent,
  step: 'captcha_solving',
})
const requireOtp: Command = { type: 'require_otp', attempt: 1, otp: { id: 'otp-1', length: 6 } }
const viewEvent = (view: PublicView, at = T0) => ({ type: 'view', view, at }) as const

describe('a place in a queue', () => {
  const WORK = 30
  const at = (seconds: number): number => T0 + seconds * 1000
  const placed = (place: number, seconds: number): PublicView => ({
    ...history()[0]!,
    queue_position: place,
    estimated_remaining_time: seconds,
    estimated_remaining_range: [seconds - 20, seconds],
  })
  const shownAt = (state: State, seconds: number) => [
    remainingSeconds(state, at(seconds), WORK),
    isQueueLate(state, at(seconds), WORK),
  ]

  test('the rest of a queued request counts down to the work itself, and is late from then on', () => {
    const state = firstState(placed(2, 100), T0)
    expect([0, 40, 70, 71, 90].map((seconds) => shownAt(state, seconds))).toEqual([
      [100, false],
      [60, false],
      [30, false],
      [30, true],
      [30, true],
    ])
  })

  test('another look at the same place does not start the count again, a further place does', () => {
    const looked = reduce(firstState(placed(2, 100), T0), viewEvent(placed(2, 100), at(40)))
    expect(shownAt(looked, 40)).toEqual([60, false])
    const moved = reduce(looked, viewEvent(placed(1, 65), at(40)))
    expect(shownAt(moved, 40)).toEqual([65, false])
  })

  test('a held queue stops the count', () => {
    const held = { ...placed(2, 100), queue_hold: { message: null, since: new Date(T0).toISOString() } }
    expect(shownAt(firstState(held, T0), 40)).toEqual([100, false])
  })
})

describe('the reducer', () => {
  test('the reducer shows the newest view, in whatever order and however often views arrive', () => {
    const views = history(
      start,
      progress(20),
      progress(40),
      requireOtp,
      { type: 'submit_otp', otp: '483920' },
      progress(90),
    )
    const deliveries = fc.array(fc.constantFrom(...views), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(deliveries, (delivered) => {
        const end = delivered.reduce(
          (state, view) => reduce(state, viewEvent(view)),
          firstState(views[0]!, T0),
        )
        expect(end.view.version).toBe(Math.max(...delivered.map((view) => view.version)))
      }),
    )
  })

  test('an older view leaves the same state object', () => {
    const [older, newer] = history(start)
    const state = firstState(newer!, T0)
    expect(reduce(state, viewEvent(older!))).toBe(state)
  })

  test('a view of the same version updates only queue position and estimate', () => {
    const [queued] = history()
    const state = reduce(firstState(queued!, T0), viewEvent({ ...queued!, queue_position: 1, progress: 77 }))
    expect(state.view).toMatchObject({ queue_position: 1, progress: 0 })
  })

  test('a view of the same version without a queue position keeps the known one', () => {
    const [queued] = history()
    const state = reduce(firstState(queued!, T0), viewEvent({ ...queued!, queue_position: null }))
    expect(state.view.queue_position).toBe(2)
  })

  test('the hold of a queue comes and goes without a new version', () => {
    const [queued] = history()
    const queue_hold = { message: 'Back at 5.', since: queued!.created_at }
    const held = reduce(firstState(queued!, T0), viewEvent({ ...queued!, queue_hold }))
    expect(held.view.queue_hold).toEqual(queue_hold)
    expect(reduce(held, viewEvent({ ...queued!, queue_position: null })).view.queue_hold).toEqual(queue_hold)
    expect(reduce(held, viewEvent(queued!)).view.queue_hold).toBeNull()
  })

  test('a view of another request is ignored', () => {
    const [first, second] = history(start)
    const state = firstState(first!, T0)
    expect(reduce(state, viewEvent({ ...second!, hash: 'req_another_one_altogether' }))).toBe(state)
  })

  test('the shown remaining time never grows, whatever estimates arrive and however time passes', () => {
    const [, running] = history(start)
    const estimates = fc.array(fc.record({ estimate: fc.nat(500), passedMs: fc.nat(20_000) }), {
      maxLength: 20,
    })
    fc.assert(
      fc.property(estimates, (events) => {
        let now = T0
        let state = firstState(running!, now)
        let shown = remainingSeconds(state, now)
        events.forEach(({ estimate, passedMs }, i) => {
          now += passedMs
          const view = { ...running!, version: running!.version + i + 1, estimated_remaining_time: estimate }
          state = reduce(state, viewEvent(view, now))
          const next = remainingSeconds(state, now)
          expect(next).toBeLessThanOrEqual(shown)
          expect(next).toBeGreaterThanOrEqual(0)
          shown = next
        })
      }),
    )
  })

  test('the remaining time stands still while a code is awaited', () => {
    const waiting = history(start, requireOtp).at(-1)!
    const state = firstState(waiting, T0)
    expect(remainingSeconds(state, T0 + 60_000)).toBe(waiting.estimated_remaining_time)
  })

  test('the remaining time of a scheduled request counts down to its start, and then stands still', () => {
    const [queued] = history()
    const run_at = new Date(T0 + 60_000).toISOString()
    const state = firstState({ ...queued!, run_at, estimated_remaining_time: 90 }, T0)
    const at = (seconds: number): number => remainingSeconds(state, T0 + seconds * 1000)
    expect([at(0), at(20), at(60), at(300)]).toEqual([90, 70, 30, 30])
  })

  test('a request that is gone stays in the state as gone', () => {
    const [view] = history()
    expect(reduce(firstState(view!, T0), { type: 'gone' }).gone).toBe(true)
  })
})

test('the last view between two attempts is kept, which has the reason of the one before', () => {
  const [pending, started] = history(start)
  const paused = { ...started!, version: 5, next_retry_at: new Date(T0).toISOString() }
  const again = { ...started!, version: 6, attempt: 2 }
  let state = reduce(firstState(pending!, T0), viewEvent(started!))
  expect(state.paused).toBeNull()
  for (const view of [paused, again]) state = reduce(state, viewEvent(view))
  expect(state).toMatchObject({ view: again, paused })
})

describe('the sign of life of the bot', () => {
  const views = history(start, progress(10), progress(20))
  const running = views[2] as PublicView
  const seen = { ...running, bot_seen_at: new Date(T0 + 60_000).toISOString() }

  test('a view of the same version adds it, and one that lacks it leaves it', () => {
    const shown = reduce(firstState(running, T0), { type: 'view', view: seen, at: T0 })
    expect(shown.view.bot_seen_at).toBe(seen.bot_seen_at)
    expect(reduce(shown, { type: 'view', view: running, at: T0 }).view.bot_seen_at).toBe(seen.bot_seen_at)
  })

  test('a newer version replaces it', () => {
    const shown = firstState(seen, T0)
    const next = reduce(shown, { type: 'view', view: views[3] as PublicView, at: T0 })
    expect(next.view.bot_seen_at).toBeNull()
  })
})

describe('the time as of which a page is right', () => {
  const [queued] = history()
  const connection = (connection: 'live' | 'reconnecting' | 'offline', seconds: number) =>
    ({ type: 'connection', connection, at: T0 + seconds * 1000 }) as const

  test('a page whose connection is lost is right as of the moment before the loss was noticed', () => {
    const live = reduce(firstState(queued!, T0), connection('live', 1))
    const lost = reduce(live, connection('reconnecting', 30))
    expect(lost.asOf).toBe(T0 + 28_000)
    // What follows of the same loss changes nothing.
    expect(reduce(lost, connection('offline', 60)).asOf).toBe(T0 + 28_000)
  })

  test('a page that never had a connection is right as of its rendering', () => {
    expect(reduce(firstState(queued!, T0), connection('reconnecting', 6)).asOf).toBe(T0)
  })
})

describe('the kind of page', () => {
  const [queued, running, further, waiting, replacedPrompt] = history(start, progress(30), requireOtp, {
    ...requireOtp,
    otp: { id: 'otp-2', length: 5 },
  })

  test('the page kind is the same for a queued and a running request', () => {
    expect(new Set([queued, running, further].map((view) => pageKind(view!))).size).toBe(1)
  })

  test('the page kind changes for a code prompt and for a final state', () => {
    const done = history(start, { type: 'complete', attempt: 1, result: {} }).at(-1)
    expect(new Set([running, waiting, done].map((view) => pageKind(view!))).size).toBe(3)
  })

  test('the page kind stays the same when the prompt is replaced, so that a typed code is kept', () => {
    expect(pageKind(replacedPrompt!)).toBe(pageKind(waiting!))
  })

  test('the page kind changes with the steps, since the page lists them', () => {
    expect(pageKind({ ...running!, steps: [] })).not.toBe(pageKind(running!))
  })
})
