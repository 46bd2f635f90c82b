import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import {
  compare,
  isFinal,
  type RequestRecord,
  STATUSES,
  type StatePosition,
  toPublicView,
} from '../../../core/domain/record.ts'
import { transition } from '../../../core/domain/state-machine.ts'
import { parseForeignRecord } from '../../../core/records/foreign-record.ts'
import { latestKnown, reconcile } from '../../../core/records/reconcile.ts'
import {
  applyCommands,
  aRecord,
  progressTo,
  REQUIRE_OTP,
  START,
  T0,
  TTL_SECONDS,
} from '../../helpers/record.ts'

const rules = { now: T0 + 5000, ttlSeconds: TTL_SECONDS }
const iso = (ms: number) => new Date(ms).toISOString()
const named = (record: RequestRecord, revision: string): RequestRecord => ({ ...record, revision })

const HAND_OVER: Command = { type: 'submit_otp', otp: '483920' }
const COMPLETE: Command = { type: 'complete', attempt: 1, result: { score: 712 } }
const CANCEL: Command = { type: 'cancel', by: 'user' }

const read = named(
  applyCommands(aRecord({ now: T0 }), [
    START,
    { ...progressTo(40, 'Ours, before'), step: 'first' } as Command,
  ]),
  'read',
)
/** Own writes after another program has read `read`. */
const overwritten = (...changes: Command[]) => named(applyCommands(read, changes), 'overwritten')

/** Reconciles a changed copy of what another program had read. */
function merged(known: RequestRecord, base: object, changes: Record<string, unknown>): RequestRecord {
  const parsed = parseForeignRecord(JSON.stringify({ ...base, ...changes }))
  if (!parsed) throw new Error('not readable as a record')
  return reconcile(known, parsed, rules)
}

const ownRecords = [
  read,
  overwritten(progressTo(60, 'Ours')),
  overwritten(REQUIRE_OTP),
  overwritten(REQUIRE_OTP, HAND_OVER),
  overwritten({ type: 'start', attempt: 2 }),
  overwritten(COMPLETE),
  overwritten(CANCEL),
  overwritten({ type: 'fail', error: { code: 'x', message: 'X', retryable: false } }),
  aRecord({ now: T0 }),
]
const anyValue = fc.oneof(fc.jsonValue(), fc.maxSafeInteger(), fc.constantFrom(...STATUSES, iso(T0), 'read'))
const anyForeign = fc
  .tuple(
    fc.constantFrom<object>(read, ...ownRecords, {}),
    fc.dictionary(fc.constantFrom(...Object.keys(read), '__proto__', 'constructor'), anyValue),
    fc.constantFrom(...STATUSES),
  )
  .map(([base, changes, status]) => parseForeignRecord(JSON.stringify({ status, ...base, ...changes })))
const anyKnown = fc.constantFrom(...ownRecords)
const anyShown = fc.option(
  fc.constantFrom<StatePosition>(
    ...ownRecords.filter(({ status }) => !isFinal(status)).map((record) => toPublicView(record, T0)),
  ),
)

describe('any foreign value in place of an own record', () => {
  it('a reconciled record never regresses and stays a valid record', () => {
    fc.assert(
      fc.property(anyKnown, anyForeign, anyShown, (known, foreign, shown) => {
        if (!foreign) return
        const record = reconcile(known, foreign, rules, shown)
        if (shown) expect(compare(shown, record)).toBe('newer')
        expect(compare(known, record)).toBe('newer')
        expect(record.version).toBeGreaterThan(Math.max(known.version, foreign.version))
        expect(record.updated_at >= known.updated_at).toBe(true)
        expect(Number.isInteger(record.progress)).toBe(true)
        expect(record.progress === 100).toBe(record.status === 'completed')
        expect(record.completed_at !== null).toBe(isFinal(record.status))
        expect(record.status === 'otp_required' && !record.otp_data).toBe(false)
        if (isFinal(known.status)) expect(record.status).toBe(known.status)
        else if (!isFinal(record.status)) expect(record.expires_at).toBe(known.expires_at)
        if (isFinal(record.status)) return
        const change = { type: 'complete', attempt: record.attempt, result: 1 } as const
        expect(transition(record, change, rules).ok).toBe(true)
      }),
      { numRuns: 2000 },
    )
    // A busy machine needs longer for all of them.
  }, 60_000)

  it('a reconciled record keeps its own request data, user, session, owner and deadline', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ownRecords), anyForeign, (known, foreign) => {
        if (!foreign) return
        const record = reconcile(known, foreign, rules)
        for (const field of ['request_data', 'user_id', 'session_id', 'owner_hash', 'deadline_at'] as const)
          expect(record[field]).toEqual(known[field])
      }),
      { numRuns: 500 },
    )
  })

  it('an own final state is not changed by a foreign write', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ownRecords.filter(({ status }) => isFinal(status))),
        anyForeign,
        (end, foreign) => {
          if (!foreign) return
          const { version: _v, updated_at: _u, ...kept } = end
          expect(reconcile(end, foreign, rules)).toMatchObject(kept)
        },
      ),
    )
  })

  it('a reconciled record that is read again does not change', () => {
    fc.assert(
      fc.property(anyKnown, anyForeign, (known, foreign) => {
        if (!foreign) return
        const once = reconcile(known, foreign, rules)
        expect(compare(once, reconcile(once, once, rules))).toBe('newer')
      }),
    )
  })
})

describe('a foreign write not based on the last own write', () => {
  it('an unbased foreign write reports progress, step and message', () => {
    const report = { progress: 70, step: 'third', current_message: 'Theirs' }
    const record = merged(overwritten(progressTo(60, 'Ours')), read, report)
    expect(record).toMatchObject({ ...report, version: 5 })
    expect(record.steps.map(({ state }) => state)).toEqual(['done', 'done', 'current'])
  })

  it('an unbased foreign write that is behind changes nothing', () => {
    const known = overwritten({ ...progressTo(60, 'Ours'), step: 'second' } as Command)
    const record = merged(known, read, { progress: 50, step: 'first', current_message: 'Theirs' })
    expect(record).toMatchObject({ progress: 60, step: 'second', current_message: 'Ours', version: 5 })
    expect(record.steps).toEqual(known.steps)
  })

  it('an unbased foreign write ends the request, unless a newer attempt has started', () => {
    const end = { status: 'completed', result_data: { score: 1 }, current_message: 'Theirs' }
    expect(merged(overwritten(progressTo(60)), read, end)).toMatchObject({ ...end, progress: 100 })
    const failed = { status: 'failed', error_data: { code: 'y', message: 'Y', retryable: false } }
    expect(merged(overwritten(progressTo(60)), read, failed)).toMatchObject({ ...failed, progress: 60 })
    const second = overwritten({ type: 'start', attempt: 2 })
    expect(merged(second, read, end)).toMatchObject({ status: 'processing', attempt: 2, result_data: null })
  })

  it('an unbased foreign write opens a new prompt', () => {
    expect(merged(overwritten(progressTo(60)), read, { status: 'otp_required' }).otp_data).toMatchObject({
      attempts_left: 3,
    })
    const handed = overwritten(REQUIRE_OTP, HAND_OVER)
    const another = { ...handed.otp_data, id: 'another' }
    const record = merged(handed, read, { status: 'otp_required', otp_data: another })
    expect(record).toMatchObject({ status: 'otp_required', otp_data: { id: 'another' } })
  })

  it('an unbased foreign write does not reopen an answered prompt', () => {
    const asked = overwritten(REQUIRE_OTP)
    const handed = named(applyCommands(asked, [HAND_OVER]), 'handed')
    const record = merged(handed, asked, { progress: 50, current_message: 'Theirs' })
    expect(record).toMatchObject({ status: 'processing', progress: 50, current_message: 'Theirs' })
    expect(record.otp_data).toEqual(handed.otp_data)
  })

  it('an unbased foreign write does not close an own prompt', () => {
    expect(merged(overwritten(REQUIRE_OTP), read, { progress: 70 })).toMatchObject({
      status: 'otp_required',
      otp_data: { id: 'otp-1' },
      progress: 70,
    })
  })
})

describe('a foreign write based on the last own write', () => {
  const asked = overwritten(REQUIRE_OTP)

  it('a based foreign write may leave a prompt, also without counting versions', () => {
    for (const version of [asked.version, 0, undefined])
      expect(
        merged(asked, asked, { status: 'processing', version, current_message: 'Got it' }),
      ).toMatchObject({
        status: 'processing',
        current_message: 'Got it',
        version: asked.version + 1,
      })
  })

  it('a based foreign write cannot lower the progress, even with new JSON', () => {
    const rewritten = { status: 'processing', progress: 10, version: 9, current_message: 'Theirs' }
    expect(merged(read, {}, rewritten)).toMatchObject({
      progress: 40,
      version: 10,
      attempt: 1,
      current_message: 'Theirs',
      request_data: read.request_data,
    })
  })
})

describe('a position shown before a fail-over lost it', () => {
  const shown = toPublicView(overwritten(progressTo(60, 'Shown')), T0)

  it('reconcile continues version, attempt and progress from a position shown before a fail-over', () => {
    expect(reconcile(null, read, rules, { ...shown, attempt: 2 })).toMatchObject({
      version: shown.version + 1,
      attempt: 2,
      progress: 60,
      max_progress: 60,
      current_message: 'Ours, before',
      request_data: read.request_data,
    })
  })
})

describe('latestKnown', () => {
  it('latestKnown returns the newest record, or null', () => {
    const newer = overwritten(progressTo(60))
    expect(latestKnown([null, read, newer, undefined])).toBe(newer)
    expect(latestKnown([])).toBeNull()
  })
})
