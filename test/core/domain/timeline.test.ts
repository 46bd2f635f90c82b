import { describe, expect, it } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import { type RequestRecord, toPublicView } from '../../../core/domain/record.ts'
import { changeOfTimeline } from '../../../core/domain/timeline.ts'
import { applyCommands, aRecord, PRIVATE, progressTo, REQUIRE_OTP, START, T0 } from '../../helpers/record.ts'

const RETRY: Command = {
  type: 'retry',
  attempt: 1,
  nextRetryAt: T0 + 20_000,
  error: { code: 'bot_unavailable', message: 'ECONNREFUSED', retryable: true },
}
const created = aRecord({ now: T0 })

/** The changes that these commands make, one after the other. */
function changesOf(...commands: Command[]) {
  let record: RequestRecord = created
  return commands.map((command) => {
    const before = record
    record = applyCommands(before, [command])
    const change = changeOfTimeline(before, record)
    // A page makes the same from views.
    const ofViews = changeOfTimeline(toPublicView(before, T0), toPublicView(record, T0))
    expect(ofViews && { ...ofViews.entry, cancelled_by: undefined }).toEqual(
      change && { ...change.entry, cancelled_by: undefined },
    )
    return change
  })
}
const entriesOf = (...commands: Command[]) => changesOf(...commands).map((change) => change?.entry ?? null)

describe('the timeline', () => {
  it('a timeline has each message, step, state and attempt once', () => {
    const steps = entriesOf(
      START,
      { ...progressTo(10, 'Signing in'), step: 'first' } as Command,
      progressTo(20, 'Signing in'),
      progressTo(30),
      { ...progressTo(40), step: 'second' } as Command,
      REQUIRE_OTP,
      { type: 'submit_otp', otp: '123456' },
      RETRY,
      { type: 'start', attempt: 2 },
    )
    const at = created.created_at
    expect(steps).toEqual([
      { at, status: 'processing', attempt: 1, step: null, message: null },
      { at, status: 'processing', attempt: 1, step: 'first', message: 'Signing in' },
      null,
      null,
      { at, status: 'processing', attempt: 1, step: 'second', message: null },
      expect.objectContaining({ status: 'otp_required', asked: 'code', message_key: 'code_needed' }),
      expect.objectContaining({ status: 'processing', message_key: 'code_received' }),
      expect.objectContaining({
        message: 'ECONNREFUSED',
        message_key: 'bot_unavailable',
        next_retry_at: '2026-06-01T12:00:20.000Z',
      }),
      expect.objectContaining({ attempt: 2, message_key: 'starting_over' }),
    ])
  })

  it('a timeline names who cancelled', () => {
    for (const by of ['user', 'operator'] as const)
      expect(entriesOf({ type: 'cancel', by })).toMatchObject([{ status: 'cancelled', cancelled_by: by }])
  })

  it('a timeline replaces a message by the same one with other parameters, and no other', () => {
    const count = (done: number): Command =>
      ({ ...progressTo(done, `${done} pages`), message_key: 'pages', message_params: { done } }) as Command
    expect(
      changesOf(START, count(1), count(2), progressTo(3, 'a'), progressTo(4, 'b')).map(
        (change) => change?.isRepeated,
      ),
    ).toEqual([false, false, true, false, false])
    expect(changesOf(START, count(1), count(2), RETRY)[3]?.isRepeated).toBe(false)
  })

  it('a timeline has a state without a known one before it', () => {
    expect(changeOfTimeline(null, created)).toMatchObject({
      entry: { status: 'pending', message_key: 'received' },
      isRepeated: false,
    })
  })

  it('a timeline shortens long texts, leaves out long parameters, and holds nothing private', () => {
    const entry = entriesOf(START, {
      ...progressTo(10, 'x'.repeat(500)),
      message_key: 'long',
      message_params: { text: 'y'.repeat(600) },
    } as Command)[1]
    expect(entry).toEqual({
      at: created.created_at,
      status: 'processing',
      attempt: 1,
      step: null,
      message: `${'x'.repeat(199)}…`,
    })
    for (const secret of Object.values(PRIVATE)) expect(JSON.stringify(entry)).not.toContain(secret)
  })
})
