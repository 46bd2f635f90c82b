import { expect, it } from 'vitest'
import { measureDurations } from '../../../core/domain/durations.ts'
import type { RequestRecord } from '../../../core/domain/record.ts'
import { transition } from '../../../core/domain/state-machine.ts'
import { aRecord, REQUIRE_OTP, START, T0, TTL_SECONDS } from '../../helpers/record.ts'

type Command = Parameters<typeof transition>[1]

/** Applies each command so many seconds after the request was created. */
function replayAt(
  record: RequestRecord,
  commands: readonly [seconds: number, command: Command][],
): RequestRecord {
  return commands.reduce((before, [seconds, command]) => {
    const result = transition(before, command, { now: T0 + seconds * 1000, ttlSeconds: TTL_SECONDS })
    if (!result.ok) throw new Error(result.rejection)
    return result.record
  }, record)
}
const progress = (step: string): Command => ({ type: 'progress', attempt: 1, progress: 10, step })

it('durations separate the queue, the work, the waits for codes and each step', () => {
  const record = replayAt(aRecord({ now: T0 }), [
    [5, START],
    [5, progress('first')],
    [7, REQUIRE_OTP],
    [37, { type: 'submit_otp', otp: '483920' }],
    [40, progress('second')],
    [44, { type: 'complete', attempt: 1, result: null }],
  ])
  expect(measureDurations(record, record.completed_at ?? '')).toEqual({
    queued_ms: 5_000,
    work_ms: 9_000,
    waiting_ms: 30_000,
    total_ms: 44_000,
    steps_ms: { first: 5_000, second: 4_000 },
  })
})

it('a request that ends while it waits for a code has waited until its end', () => {
  const record = replayAt(aRecord({ now: T0 }), [
    [1, START],
    [2, REQUIRE_OTP],
    [22, { type: 'cancel', by: 'user' }],
  ])
  expect(measureDurations(record, record.completed_at ?? '')).toMatchObject({
    work_ms: 1_000,
    waiting_ms: 20_000,
  })
})

it('a request that never started was queued until its end, a scheduled one from its time on', () => {
  const record = replayAt(aRecord({ now: T0, run_at: new Date(T0 + 60_000).toISOString() }), [
    [90, { type: 'cancel', by: 'user' }],
  ])
  expect(measureDurations(record, record.completed_at ?? '')).toEqual({
    queued_ms: 30_000,
    work_ms: 0,
    waiting_ms: 0,
    total_ms: 30_000,
    steps_ms: {},
  })
})
