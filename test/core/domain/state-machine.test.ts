import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import { toIso } from '../../../core/domain/iso-time.ts'
import type { OtpLimits } from '../../../core/domain/otp-data.ts'
import { OTP_DEFAULTS } from '../../../core/domain/otp-prompt.ts'
import {
  isFinal,
  type RequestRecord,
  STATUSES,
  type Status,
  toPublicView,
} from '../../../core/domain/record.ts'
import { type RejectionCode, TRANSITIONS, transition } from '../../../core/domain/state-machine.ts'
import {
  anyCommand,
  commandSequences,
  forwardMs,
  forwardOrBackMs,
  type ReplayedCommand,
  replay,
} from '../../helpers/random-commands.ts'
import {
  applyCommands,
  aRecord,
  progressTo,
  REQUIRE_OTP,
  START,
  T0,
  TTL_SECONDS,
} from '../../helpers/record.ts'

const SECOND = 1000
const rulesAt = (now: number) => ({ now, ttlSeconds: TTL_SECONDS })

/** Applies a command, or fails the test with the rejection. */
function advanced(
  record: RequestRecord,
  command: Command,
  now = Date.parse(record.updated_at),
): RequestRecord {
  const answer = transition(record, command, rulesAt(now))
  if (!answer.ok) throw new Error(`${command.type} was refused: ${answer.rejection}`)
  return answer.record
}

function rejection(
  record: RequestRecord,
  command: Command,
  now = Date.parse(record.updated_at),
): RejectionCode | null {
  const answer = transition(record, command, rulesAt(now))
  return answer.ok ? null : answer.rejection
}

/** Asserts a property of every state of random sequences of commands. */
function always(
  claim: (replayed: ReplayedCommand) => void,
  clock: fc.Arbitrary<number> = forwardOrBackMs,
): void {
  fc.assert(
    fc.property(commandSequences(anyCommand(), clock), (happened) => replay(happened).forEach(claim)),
    { numRuns: 300 },
  )
}

describe('any sequence of commands', () => {
  it('a final request stays final', () => {
    always(({ before, after, rejection }) => {
      if (!isFinal(before.status)) return
      expect(rejection).toBe('already_final')
      expect(after).toBe(before)
    })
  })

  it('progress is a whole number that never falls', () => {
    always(({ before, after }) => {
      expect(after.progress).toBeGreaterThanOrEqual(before.progress)
      expect(Number.isInteger(after.progress)).toBe(true)
    })
  })

  it('progress is 100 when completed and only then', () => {
    always(({ after }) => expect(after.progress === 100).toBe(after.status === 'completed'))
  })

  it('the version grows by exactly one with every accepted change and stands still at a rejection', () => {
    always(({ before, after, rejection }) => expect(after.version).toBe(before.version + (rejection ? 0 : 1)))
  })

  it('writes of other attempts are refused, and only a start with a greater number takes over', () => {
    always(({ before, command, after, rejection }) => {
      if (isFinal(before.status) || !('attempt' in command) || command.attempt === undefined) return
      const mine =
        command.type === 'start' ? command.attempt > before.attempt : command.attempt === before.attempt
      if (!mine) expect(rejection).toBe('stale_attempt')
      else if (command.type === 'start') expect(after.attempt).toBe(command.attempt)
      else expect(after.attempt).toBe(before.attempt)
    })
  })

  it('the attempt never exceeds max_attempts, however many workers died', () => {
    always(({ after }) => expect(after.attempt).toBeLessThanOrEqual(after.max_attempts))
  })

  it('only an attempt that does not count raises max_attempts', () => {
    always(({ before, command, after, rejection }) => {
      const planned = before.max_attempts
      if (rejection) expect(after.max_attempts).toBe(planned)
      else if (command.type === 'retry')
        expect(after.max_attempts).toBe(planned + (command.counts === false ? 1 : 0))
      else expect(after.max_attempts).toBe(Math.max(planned, after.attempt))
    })
  })

  it('every status is reached by the transition table', () => {
    always(({ before, command, after, rejection }) => {
      if (rejection) return
      const to = (TRANSITIONS[before.status] as Record<string, Status>)[command.type]
      // Two commands lead to two statuses: the last wrong code ends the request.
      if (command.type === 'reject_otp' || command.type === 'require_otp')
        expect(['otp_required', 'failed']).toContain(after.status)
      else expect(after.status).toBe(to)
    })
  })

  it('updated_at never goes back, even if the clock does', () => {
    always(({ before, after }) =>
      expect(Date.parse(after.updated_at)).toBeGreaterThanOrEqual(Date.parse(before.updated_at)),
    )
  })

  it('expires_at changes only on reaching a final state, to a full TTL from then', () => {
    always(({ before, after }) => {
      if (!isFinal(after.status) || isFinal(before.status))
        return expect(after.expires_at).toBe(before.expires_at)
      expect(Date.parse(after.expires_at)).toBe(
        Date.parse(after.completed_at as string) + TTL_SECONDS * SECOND,
      )
    })
  })

  it('completed_at is set exactly when the request is final', () => {
    always(({ after }) => expect(after.completed_at !== null).toBe(isFinal(after.status)))
  })

  it('the remaining time is whole seconds, never negative, and never grows from one write to the next', () => {
    always(({ before, after, now }) => {
      const rest = toPublicView(after, now).estimated_remaining_time
      expect(Number.isInteger(rest)).toBe(true)
      expect(rest).toBeGreaterThanOrEqual(0)
      expect(rest).toBeLessThanOrEqual(
        toPublicView(before, Date.parse(before.updated_at)).estimated_remaining_time,
      )
    })
  })

  it('the remaining time never grows while time passes without a write', () => {
    always(({ before, now, after }) => {
      expect(toPublicView(before, now).estimated_remaining_time).toBeGreaterThanOrEqual(
        toPublicView(after, now).estimated_remaining_time,
      )
      expect(toPublicView(after, now + 7300).estimated_remaining_time).toBeLessThanOrEqual(
        toPublicView(after, now).estimated_remaining_time,
      )
    }, forwardMs)
  })

  it('at most one step is current, all before it are done, all after it are waiting', () => {
    always(({ after: { steps, status } }) => {
      const states = steps.map(({ state }) => state).join(' ')
      expect(states).toMatch(/^(done ?)*(current ?)?(waiting ?)*$/)
      if (status === 'completed') expect(steps.every(({ state }) => state === 'done')).toBe(true)
    })
  })

  it('a request that waits for a code has an OTP prompt, a final one has none', () => {
    always(({ after: { status, otp_data } }) => {
      if (status === 'otp_required') expect(otp_data).not.toBeNull()
      if (isFinal(status)) expect(otp_data).toBeNull()
    })
  })

  it('an OTP prompt never outlasts its request, whatever time the bot allows', () => {
    always(({ after }) => {
      if (!after.otp_data) return
      expect(Date.parse(after.otp_data.expires_at)).toBeLessThanOrEqual(Date.parse(after.expires_at))
    })
  })

  it('a new OTP prompt never resets attempts, resends or the wait for a resend', () => {
    fc.assert(
      fc.property(commandSequences(anyCommand(), forwardOrBackMs), (happened) => {
        let left: OtpLimits = { attempts_left: OTP_DEFAULTS.attempts, resends: 0, resend_available_at: '' }
        for (const { after } of replay(happened)) {
          if (after.status !== 'otp_required' || !after.otp_data) continue
          const { attempts_left, resends, resend_available_at } = after.otp_data
          expect(attempts_left).toBeLessThanOrEqual(left.attempts_left)
          expect(resends).toBeGreaterThanOrEqual(left.resends)
          expect((resend_available_at ?? '') >= (left.resend_available_at ?? '')).toBe(true)
          left = after.otp_data
        }
      }),
      { numRuns: 300 },
    )
  })

  it('transition mutates neither the record nor the command', () => {
    fc.assert(
      fc.property(commandSequences(anyCommand(), forwardOrBackMs), (happened) => {
        for (const { before, command, now } of replay(happened)) {
          const snapshot = structuredClone({ before, command })
          transition(deepFreeze(before), deepFreeze(command), rulesAt(now))
          expect({ before, command }).toEqual(snapshot)
        }
      }),
    )
  })
})

function deepFreeze<T>(value: T): T {
  if (value && typeof value === 'object') Object.values(value).forEach(deepFreeze)
  return Object.freeze(value)
}

describe('the transition table', () => {
  const RUNNING = applyCommands(aRecord({ now: T0 }), [START, progressTo(40)])
  const RECORDS: Record<Status, RequestRecord> = {
    pending: aRecord({ now: T0 }),
    processing: RUNNING,
    otp_required: applyCommands(RUNNING, [REQUIRE_OTP]),
    completed: applyCommands(RUNNING, [{ type: 'complete', attempt: 1, result: { score: 712 } }]),
    failed: applyCommands(RUNNING, [
      { type: 'fail', attempt: 1, error: { code: 'x', message: 'X', retryable: false } },
    ]),
    cancelled: applyCommands(RUNNING, [{ type: 'cancel', by: 'user' }]),
  }
  const CHANGES = (attempt: number): Command[] => [
    { type: 'start', attempt: attempt + 1 },
    { type: 'progress', attempt, progress: 50 },
    { type: 'retry', attempt, nextRetryAt: T0, error: { code: 'x', message: 'X', retryable: true } },
    { type: 'require_otp', attempt, otp: { id: 'otp-2' } },
    { type: 'reject_otp', attempt },
    { type: 'submit_otp', otp: '483920' },
    { type: 'resend_otp' },
    { type: 'withdraw_resend', attempt },
    { type: 'complete', attempt, result: null },
    { type: 'fail', attempt, error: { code: 'x', message: 'X', retryable: false } },
    { type: 'cancel', by: 'user' },
  ]

  it.each(STATUSES)('from %s, commands in the table are accepted and all others refused', (status) => {
    const record = RECORDS[status]
    for (const command of CHANGES(record.attempt)) {
      const later = T0 + 60 * SECOND
      const named =
        command.type in TRANSITIONS[status] && (command.type !== 'reject_otp' || record.otp_data !== null)
      expect(rejection(record, command, later) === null, `${command.type} from ${status}`).toBe(named)
    }
  })

  it('a final status stays, and its only command is keep', () => {
    for (const status of STATUSES.filter(isFinal)) expect(TRANSITIONS[status]).toEqual({ keep: status })
  })

  it('a second start of the same attempt is refused', () => {
    expect(rejection(RUNNING, { type: 'start', attempt: 1 })).toBe('stale_attempt')
  })

  it('a failure without an attempt ends the request of any attempt', () => {
    expect(
      advanced(RUNNING, { type: 'fail', error: { code: 'x', message: 'X', retryable: false } }).status,
    ).toBe('failed')
  })
})

describe('the effects of a command', () => {
  const running = applyCommands(aRecord({ now: T0 }), [START])

  it('only the first start sets started_at, and a retry keeps progress, steps and started_at', () => {
    const far = applyCommands(running, [{ ...progressTo(60), step: 'second' } as Command], T0 + 5 * SECOND)
    const retry: Command = {
      type: 'retry',
      attempt: 1,
      nextRetryAt: T0 + 20 * SECOND,
      error: { code: 'x', message: 'X', retryable: true },
    }
    const waiting = advanced(far, retry)
    expect(waiting).toMatchObject({
      status: 'processing',
      progress: 60,
      next_retry_at: new Date(T0 + 20 * SECOND).toISOString(),
    })
    const again = advanced(waiting, { type: 'start', attempt: 2 }, T0 + 20 * SECOND)
    expect(again).toMatchObject({
      attempt: 2,
      progress: 60,
      next_retry_at: null,
      started_at: running.started_at,
      steps: far.steps,
    })
  })

  it('a start after the last planned attempt, because workers died, raises max_attempts', () => {
    const shown = [2, 3, 4, 5].map((attempt) => {
      const { max_attempts } = advanced(running, { type: 'start', attempt })
      return `${attempt} of ${max_attempts}`
    })
    expect(shown).toEqual(['2 of 3', '3 of 3', '4 of 4', '5 of 5'])
  })

  it('progress 100 of an unfinished request is stored as 99', () => {
    expect(advanced(running, progressTo(100)).progress).toBe(99)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -5])(
    'an invalid progress of %s is ignored, and the rest of its command is applied',
    (invalid) => {
      expect(advanced(advanced(running, progressTo(40)), progressTo(invalid, 'Still here'))).toMatchObject({
        progress: 40,
        current_message: 'Still here',
      })
    },
  )

  it('a later step finishes the steps before it, with their times', () => {
    const first = applyCommands(running, [{ ...progressTo(10), step: 'first' } as Command], T0 + SECOND)
    const third = applyCommands(first, [{ ...progressTo(70), step: 'third' } as Command], T0 + 9 * SECOND)
    expect(third.steps).toEqual([
      {
        id: 'first',
        state: 'done',
        started_at: new Date(T0 + SECOND).toISOString(),
        finished_at: new Date(T0 + 9 * SECOND).toISOString(),
      },
      { id: 'second', state: 'done', started_at: null, finished_at: null },
      {
        id: 'third',
        state: 'current',
        started_at: new Date(T0 + 9 * SECOND).toISOString(),
        finished_at: null,
      },
    ])
  })

  it('a new message never keeps the key of the old one', () => {
    const keyed = advanced(running, {
      type: 'progress',
      attempt: 1,
      progress: 1,
      message: 'Seven',
      message_key: 'pages',
      message_params: { n: 7 },
    })
    expect(keyed).toMatchObject({ message_key: 'pages', message_params: { n: 7 } })
    expect(advanced(keyed, progressTo(2, 'Eight')).message_key).toBeUndefined()
    expect(advanced(keyed, progressTo(2))).toMatchObject({ current_message: 'Seven', message_key: 'pages' })
    const failed = advanced(keyed, {
      type: 'fail',
      error: { code: 'x', message: 'Broken', retryable: false },
    })
    expect([failed.current_message, failed.message_key, failed.message_params]).toEqual([
      'Broken',
      'x',
      undefined,
    ])
  })

  it('a completed request without a result has result_data null', () => {
    expect(advanced(running, { type: 'complete', attempt: 1, result: undefined }).result_data).toBeNull()
  })

  it('the remaining time stands still while the request waits for a code', () => {
    const asked = applyCommands(running, [REQUIRE_OTP], T0 + 10 * SECOND)
    const shown = (record: RequestRecord, seconds: number) =>
      toPublicView(record, T0 + seconds * SECOND).estimated_remaining_time
    expect([shown(asked, 10), shown(asked, 90)]).toEqual([50, 50])
    const typed = advanced(asked, { type: 'submit_otp', otp: '483920' }, T0 + 90 * SECOND)
    expect([shown(typed, 90), shown(typed, 100)]).toEqual([50, 40])
  })

  it('the remaining time is at most its share of the usual duration', () => {
    expect(
      toPublicView(applyCommands(running, [progressTo(90)], T0 + 5 * SECOND), T0 + 5 * SECOND)
        .estimated_remaining_time,
    ).toBe(6)
  })
})

describe('an OTP prompt', () => {
  const running = applyCommands(aRecord({ now: T0 }), [START, progressTo(30)])
  const asked = applyCommands(running, [REQUIRE_OTP])
  const submit: Command = { type: 'submit_otp', otp: '483920' }
  const reject: Command = { type: 'reject_otp', attempt: 1 }
  const resend: Command = { type: 'resend_otp' }
  const ms = (time: string | null | undefined) => Date.parse(time as string) - T0

  it('an OTP prompt has defaults for what the bot leaves out', () => {
    const { otp_data } = advanced(running, { type: 'require_otp', attempt: 1, otp: { id: 'x' } })
    expect(otp_data).toMatchObject({
      length: null,
      charset: 'digits',
      sent_to: null,
      message: null,
      attempts_left: 3,
      error: null,
    })
    expect([ms(otp_data?.expires_at), ms(otp_data?.resend_available_at)]).toEqual([120 * SECOND, 30 * SECOND])
  })

  it.each([Number.NaN, 1e15, -1, Number.POSITIVE_INFINITY])(
    'an OTP prompt with an invalid timeout of %s seconds has a deadline',
    (expires_in) => {
      const { otp_data, expires_at } = advanced(running, {
        type: 'require_otp',
        attempt: 1,
        otp: { id: 'x', expires_in },
      })
      expect(Date.parse(otp_data?.expires_at as string)).toBeGreaterThanOrEqual(T0)
      expect(Date.parse(otp_data?.expires_at as string)).toBeLessThanOrEqual(Date.parse(expires_at))
    },
  )

  it('an OTP prompt accepts one code and refuses a second', () => {
    const typed = advanced(asked, submit)
    expect(typed.status).toBe('processing')
    expect(rejection(typed, submit)).toBe('otp_not_expected')
  })

  it('an OTP prompt refuses a code at or after its deadline', () => {
    expect(rejection(asked, submit, T0 + 120 * SECOND - 1)).toBeNull()
    expect(rejection(asked, submit, T0 + 120 * SECOND)).toBe('otp_expired')
  })

  it('each wrong code uses an attempt and keeps the deadline; the last one fails the request', () => {
    let record = asked
    for (const left of [2, 1]) {
      record = advanced(advanced(record, submit), { ...reject, message: 'Not that one.' })
      expect(record.otp_data).toMatchObject({
        attempts_left: left,
        error: { code: 'otp_rejected', message: 'Not that one.' },
      })
      expect(record.otp_data?.expires_at).toBe(asked.otp_data?.expires_at)
    }
    record = advanced(advanced(record, submit), reject)
    expect(record).toMatchObject({
      status: 'failed',
      otp_data: null,
      error_data: { code: 'otp_attempts_exhausted', retryable: false },
    })
  })

  it('the next code replaces the message of the wrong one', () => {
    const rejected = advanced(advanced(asked, submit), { ...reject, message: 'Not that one.' })
    expect(rejected.current_message).toBe('Not that one.')
    expect(advanced(rejected, submit)).toMatchObject({
      current_message: 'We have your code, checking it…',
      message_key: 'code_received',
    })
  })

  it('a code that was typed is said to be checked, until another one is asked for', () => {
    const typed = advanced(asked, submit)
    expect(typed).toMatchObject({ message_key: 'code_received' })
    expect(advanced(typed, { type: 'require_otp', attempt: 1, otp: { id: 'otp-2' } })).toMatchObject({
      message_key: 'code_needed',
    })
    const question = advanced(asked, { type: 'require_otp', attempt: 1, otp: { id: 'text-1', kind: 'text' } })
    expect(question).toMatchObject({ message_key: 'answer_needed' })
    expect(advanced(question, { type: 'submit_otp', otp: 'yes' })).toMatchObject({ message_key: 'checking' })
  })

  it('another attempt says that it starts over, until its bot reports', () => {
    const retry: Command = {
      type: 'retry',
      attempt: 1,
      nextRetryAt: T0,
      error: { code: 'timed_out', message: 'x', retryable: true },
    }
    const reached: Command = { type: 'progress', attempt: 1, progress: 10, step: 'second' }
    const retried = applyCommands(aRecord(), [START, reached, retry, { type: 'start', attempt: 2 }])
    expect(retried).toMatchObject({
      current_message: 'Starting over (2\u00a0of\u00a03).',
      step: null,
      message_key: 'starting_over',
      message_params: { attempt: 2, max: 3 },
    })
  })

  it('exhausted OTP attempts fail the request with their own message and key', () => {
    const keyed: Command = {
      type: 'progress',
      attempt: 1,
      progress: 40,
      message: 'Checking',
      message_key: 'checking',
    }
    let record = asked
    for (let tries = 0; tries < OTP_DEFAULTS.attempts; tries++)
      record = applyCommands(record, [submit, keyed, reject])
    expect(record.current_message).toBe(record.error_data?.message)
    expect(record.message_key).toBe('otp_attempts_exhausted')
  })

  it('a code can be resent after 30 s, then after twice as long each time, at most five times', () => {
    let record = asked
    let now = T0
    for (const waitSeconds of [30, 60, 120, 240, 480]) {
      expect(rejection(record, resend, now + waitSeconds * SECOND - 1)).toBe('resend_not_yet')
      now += waitSeconds * SECOND
      record = advanced(record, resend, now)
    }
    expect(record.otp_data?.resends).toBe(OTP_DEFAULTS.maxResends)
    expect(rejection(record, resend, now + 3600 * SECOND)).toBe('resend_exhausted')
  })

  it('a repeated OTP prompt keeps attempts, resends and their wait, and has its own deadline', () => {
    const second = applyCommands(asked, [submit, reject])
    const resent = advanced(second, resend, T0 + 30 * SECOND)
    const next = advanced(resent, { type: 'require_otp', attempt: 1, otp: { id: 'otp-2' } }, T0 + 31 * SECOND)
    expect(next.otp_data).toMatchObject({ id: 'otp-2', resends: 1, attempts_left: 2 })
    expect(next.otp_data?.resend_available_at).toBe(resent.otp_data?.resend_available_at)
    expect(ms(next.otp_data?.expires_at)).toBe(151 * SECOND)
  })

  const again: Command = { type: 'require_otp', attempt: 1, otp: { id: 'otp-2' } }

  it('an OTP prompt keeps attempts, resends and their wait when a code is submitted during a resend', () => {
    const resent = advanced(applyCommands(asked, [submit, reject]), resend, T0 + 30 * SECOND)
    const next = advanced(advanced(resent, submit, T0 + 31 * SECOND), again, T0 + 32 * SECOND)
    expect(next.otp_data).toMatchObject({ id: 'otp-2', resends: 1, attempts_left: 2 })
    expect(ms(next.otp_data?.resend_available_at)).toBe(90 * SECOND)
  })

  it('an OTP prompt after a submitted code costs an attempt, and the last attempt ends the request', () => {
    let record = asked
    for (const left of [2, 1]) {
      record = applyCommands(record, [submit, again])
      expect(record).toMatchObject({ status: 'otp_required', otp_data: { attempts_left: left } })
    }
    expect(applyCommands(record, [submit, again])).toMatchObject({
      status: 'failed',
      error_data: { code: 'otp_attempts_exhausted' },
      otp_data: null,
    })
  })

  it('a bot that sends a new code each time can prompt only as often as attempts and resends allow', () => {
    let record = asked
    let questions = 0
    let now = T0
    while (record.status === 'otp_required') {
      questions++
      expect(questions).toBeLessThanOrEqual(OTP_DEFAULTS.attempts + OTP_DEFAULTS.maxResends)
      now = Math.max(now, Date.parse(record.otp_data?.resend_available_at as string))
      if (!rejection(record, resend, now)) record = advanced(record, resend, now)
      now = Math.max(T0, Date.parse(record.otp_data?.expires_at as string) - 1)
      record = applyCommands(record, [rejection(record, submit, now) ? resend : submit, again], now)
    }
    expect(record.error_data?.code).toBe('otp_attempts_exhausted')
  })

  it('an OTP prompt of a new attempt continues with the OTP attempts left; a code whose attempt failed costs none', () => {
    const failure = { code: 'x', message: 'X', retryable: true }
    const spent = advanced(applyCommands(asked, [submit, reject]), resend, T0 + 30 * SECOND)
    const retried: Command[] = [
      { type: 'retry', attempt: 1, nextRetryAt: T0, error: failure },
      { type: 'start', attempt: 2 },
      { ...again, attempt: 2 },
    ]
    const taken: Command[] = [
      { type: 'start', attempt: 2 },
      { ...again, attempt: 2 },
    ]
    for (const changes of [retried, taken, [submit, ...retried], [submit, ...taken]]) {
      const record = applyCommands(spent, changes, T0 + 32 * SECOND)
      expect(record.otp_data).toMatchObject({ attempts_left: 2, resends: 1 })
      expect(ms(record.otp_data?.resend_available_at)).toBe(90 * SECOND)
    }
  })

  it('a request without an OTP prompt refuses submitted, rejected and resent codes', () => {
    for (const change of [submit, resend, reject]) expect(rejection(running, change)).toBe('otp_not_expected')
  })
})

describe('the work deadline', () => {
  const limited: Command = { type: 'start', attempt: 1, limitSeconds: 100 }

  it('the work deadline counts from the start of the first attempt for all attempts together', () => {
    const record = applyCommands(aRecord({ now: T0 }), [limited], T0)
    expect(record.deadline_at).toBe(toIso(T0 + 100_000))
    const again = applyCommands(record, [{ type: 'start', attempt: 2, limitSeconds: 100 }], T0 + 50_000)
    expect(again.deadline_at).toBe(toIso(T0 + 100_000))
  })

  it('the work deadline moves by the time spent waiting for a code', () => {
    const asked = applyCommands(aRecord({ now: T0 }), [limited, REQUIRE_OTP], T0)
    const given = applyCommands(asked, [{ type: 'submit_otp', otp: '483920' }], T0 + 40_000)
    expect(given.deadline_at).toBe(toIso(T0 + 140_000))
  })
})
