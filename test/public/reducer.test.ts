import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allServices } from '../../core/catalog/index.ts'
import type { Command } from '../../core/domain/command.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { type PublicView, toPublicView } from '../../core/domain/record.ts'
import { transition } from '../../core/domain/state-machine.ts'
import { firstState, pageKind, reduce, remainingSeconds } from '../../public/reducer.ts'

const T0 = Date.UTC(2026, 5, 1)
const hash = 'req_abcdefghijklmnopqrstuvwxyz'

/** The views of one request, one after each change, a second apart. */
function history(...changes: Command[]): PublicView[] {
  let record = createRecord({
    hash,
    service: allServices()[0]!,
    requestData: {},
    sessionId: null,
    now: T0,
    ttlSeconds: 1800,
  })
  const views = [toPublicView(record, T0, 2)]
  changes.forEach((change, i) => {
    const now = T0 + (i + 1) * 1000
    const advanced = transition(record, change, { now, ttlSeconds: 1800 })
    if (!advanced.ok) throw new Error(advanced.refusal)
    record = advanced.record
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
const askForCode: Command = { type: 'require_otp', attempt: 1, otp: { id: 'otp-1', length: 6 } }
const take = (view: PublicView, at = T0) => ({ type: 'view', view, at }) as const

describe('the reducer', () => {
  test('shows the newest view in whatever order and how often views arrive', () => {
    const views = history(
      start,
      progress(20),
      progress(40),
      askForCode,
      { type: 'submit_otp', otp: '483920' },
      progress(90),
    )
    const deliveries = fc.array(fc.constantFrom(...views), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(deliveries, (delivered) => {
        const end = delivered.reduce((state, view) => reduce(state, take(view)), firstState(views[0]!, T0))
        expect(end.view.version).toBe(Math.max(...delivered.map((view) => view.version)))
      }),
    )
  })

  test('keeps its very state when a view is older', () => {
    const [older, newer] = history(start)
    const state = firstState(newer!, T0)
    expect(reduce(state, take(older!))).toBe(state)
  })

  test('refreshes only the place in the queue and the estimate from a view of the same version', () => {
    const [queued] = history()
    const state = reduce(firstState(queued!, T0), take({ ...queued!, queue_position: 1, progress: 77 }))
    expect(state.view).toMatchObject({ queue_position: 1, progress: 0 })
  })

  test('keeps the place in the queue when a view of the same version does not tell it', () => {
    const [queued] = history()
    const state = reduce(firstState(queued!, T0), take({ ...queued!, queue_position: null }))
    expect(state.view.queue_position).toBe(2)
  })

  test('ignores a view of another request', () => {
    const [first, second] = history(start)
    const state = firstState(first!, T0)
    expect(reduce(state, take({ ...second!, hash: 'req_another_one_altogether' }))).toBe(state)
  })

  test('never lets the remaining time grow, whatever estimates arrive and however time passes', () => {
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
          state = reduce(state, take(view, now))
          const next = remainingSeconds(state, now)
          expect(next).toBeLessThanOrEqual(shown)
          expect(next).toBeGreaterThanOrEqual(0)
          shown = next
        })
      }),
    )
  })

  test('stops the clock while a person is being waited for', () => {
    const waiting = history(start, askForCode).at(-1)!
    const state = firstState(waiting, T0)
    expect(remainingSeconds(state, T0 + 60_000)).toBe(waiting.estimated_remaining_time)
  })

  test('remembers that the request is gone', () => {
    const [view] = history()
    expect(reduce(firstState(view!, T0), { type: 'gone' }).gone).toBe(true)
  })
})

describe('the kind of page', () => {
  const [queued, running, further, waiting, askedAgain] = history(start, progress(30), askForCode, {
    ...askForCode,
    otp: { id: 'otp-2', length: 5 },
  })

  test('is the same while a request is queued and runs', () => {
    expect(new Set([queued, running, further].map((view) => pageKind(view!))).size).toBe(1)
  })

  test('changes when a code is needed, and again at the end', () => {
    const done = history(start, { type: 'complete', attempt: 1, result: {} }).at(-1)
    expect(new Set([running, waiting, done].map((view) => pageKind(view!))).size).toBe(3)
  })

  test('stays while a code is being typed, whatever else about the prompt changes', () => {
    expect(pageKind(askedAgain!)).toBe(pageKind(waiting!))
  })

  test('changes when the steps do, since the page lists them', () => {
    expect(pageKind({ ...running!, steps: [] })).not.toBe(pageKind(running!))
  })
})
