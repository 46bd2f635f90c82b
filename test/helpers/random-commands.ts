/** Random sequences of commands, for property-based tests of the state machine. */
import fc from 'fast-check'
import type { Command } from '../../core/domain/command.ts'
import type { RequestRecord } from '../../core/domain/record.ts'
import { type RejectionCode, transition } from '../../core/domain/state-machine.ts'
import type { SubstepReport } from '../../core/domain/step.ts'
import { aRecord, SERVICE, T0, TTL_SECONDS } from './record.ts'

const SECOND = 1000

const message = fc.option(fc.string(), { nil: undefined })
const error = fc.record({ code: fc.string(), message: fc.string(), retryable: fc.boolean() })
const otp = fc.record(
  { id: fc.string(), length: fc.integer({ min: 4, max: 8 }), sent_to: fc.string(), expires_in: fc.double() },
  { requiredKeys: ['id'] },
)
/** Any number, also invalid progress. */
const anyProgress = fc.oneof(fc.integer({ min: 0, max: 110 }), fc.double())
const substepReports = (steps: readonly string[]): fc.Arbitrary<SubstepReport[] | undefined> =>
  fc.option(
    fc.array(
      fc.record(
        {
          id: fc.constantFrom(...steps),
          state: fc.constantFrom('waiting', 'current', 'done'),
          progress: anyProgress,
          outcome: fc.constantFrom('failed', 'skipped'),
        },
        { requiredKeys: ['id', 'state'] },
      ),
      { maxLength: 3 },
    ),
    { nil: undefined },
  )
const STEPS = SERVICE.steps.map(({ id }) => id as string)

/** `attempt` is relative to the record's: -1 is an earlier attempt, 0 the current one, 1 the next. */
const ongoingCommand = (steps: readonly string[]): fc.Arbitrary<Command> =>
  fc.oneof(
    fc.record({ type: fc.constant('start' as const), attempt: fc.constantFrom(1, 1, 0) }),
    fc.record({
      type: fc.constant('progress' as const),
      attempt: fc.constantFrom(0, 0, 0, -1, 1),
      progress: anyProgress,
      step: fc.constantFrom(...steps, 'unknown', undefined),
      parts: substepReports(steps),
      message,
    }),
    fc.record({
      type: fc.constant('retry' as const),
      attempt: fc.constantFrom(0, 0, -1),
      nextRetryAt: fc.constant(T0),
      counts: fc.constantFrom(undefined, true, false),
      error,
      message,
    }),
    fc.record({ type: fc.constant('require_otp' as const), attempt: fc.constantFrom(0, 0, -1), otp }),
    fc.record({ type: fc.constant('reject_otp' as const), attempt: fc.constantFrom(0, 0, -1), message }),
    fc.constant({ type: 'submit_otp' as const, otp: '483920' }),
    fc.constant({ type: 'resend_otp' as const }),
  )
const finalCommand: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    type: fc.constant('complete' as const),
    attempt: fc.constantFrom(0, 0, -1),
    result: fc.jsonValue(),
    message,
  }),
  fc.record({ type: fc.constant('fail' as const), error }),
  fc.record({
    type: fc.constant('cancel' as const),
    by: fc.constantFrom('user' as const, 'operator' as const),
  }),
)

export interface TimedCommand {
  command: Command
  /** Milliseconds since the previous command; negative when the clock is put back. */
  afterMs: number
}
export const commandSequences = (commands: fc.Arbitrary<Command>, afterMs: fc.Arbitrary<number>) =>
  fc.array(fc.record({ command: commands, afterMs }), { maxLength: 30 })

export const forwardMs = fc.integer({ min: 0, max: 90 * SECOND })
export const forwardOrBackMs = fc.oneof(
  { weight: 4, arbitrary: forwardMs },
  { weight: 1, arbitrary: fc.integer({ min: -60 * SECOND, max: 0 }) },
)
/** @param steps of the request's service */
export const anyCommand = (steps = STEPS): fc.Arbitrary<Command> =>
  fc.oneof({ weight: 12, arbitrary: ongoingCommand(steps) }, { weight: 1, arbitrary: finalCommand })

export interface ReplayedCommand {
  before: RequestRecord
  command: Command
  now: number
  after: RequestRecord
  rejection: RejectionCode | null
}

/** Applies the commands one after the other, and returns each with the record before and after. */
export function replay(
  sequence: readonly TimedCommand[],
  initial: RequestRecord = aRecord({ now: T0 }),
): ReplayedCommand[] {
  let record = initial
  let now = T0
  return sequence.map(({ command: relative, afterMs }) => {
    now += afterMs
    const command =
      'attempt' in relative && relative.attempt !== undefined
        ? { ...relative, attempt: record.attempt + relative.attempt }
        : relative
    const before = record
    const result = transition(before, command, { now, ttlSeconds: TTL_SECONDS })
    if (result.ok) record = result.record
    return { before, command, now, after: record, rejection: result.ok ? null : result.rejection }
  })
}
