/** When a request will be ready, in words. */
import { describe, expect, it } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { toIso } from '../../core/domain/iso-time.ts'
import type { PublicView, RequestRecord } from '../../core/domain/record.ts'
import { toPublicView } from '../../core/domain/record.ts'
import { expectedRange, type Waiting, withWaiting } from '../../core/domain/waiting.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { createLocalizer } from '../../core/i18n/localize-message.ts'
import { formatPace, type ServicePace } from '../../core/presentation/arrival-text.ts'
import { describeRequest } from '../../core/presentation/describe-request.ts'
import { applyCommands, aRecord, REQUIRE_OTP, T0 } from '../helpers/record.ts'

const expected = { total: [95, 215], steps: {} } as const
const started = applyCommands(aRecord({ now: T0 }), [{ type: 'start', attempt: 1, expected }])
const PACE: ServicePace = { total: [30, 50], typical: 40, steps: { second: 7 }, queueSeconds: 20 }

interface Described {
  locale: string
  pace: ServicePace
  hasClock: boolean
  record: RequestRecord
  isViewer: boolean
  asksForCode: boolean
  codeAskedIn: number
  isStale: boolean
}

function describeAs(
  view: Partial<PublicView> = {},
  { locale = 'en', pace = PACE, hasClock = true, record = started, ...more }: Partial<Described> = {},
) {
  const shown = { ...toPublicView(record, T0), ...view }
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'short', hourCycle: 'h23', timeZone: 'UTC' })
  return describeRequest(shown, {
    t: createTexts(locale).t,
    read: createLocalizer(locale, {}),
    now: T0,
    title: '',
    stepTitles: {},
    remainingSeconds: shown.estimated_remaining_time,
    earliestSeconds: shown.estimated_remaining_range?.[0] ?? null,
    clockTime: hasClock ? (ms) => clock.format(ms) : undefined,
    pace,
    ...more,
  })
}
/** As on a wide screen. */
function ready(...args: Parameters<typeof describeAs>): string {
  const { remaining, detail } = describeAs(...args)
  return detail === null ? remaining : `${remaining} (${detail})`
}
const range = (earliest: number, latest: number): Partial<PublicView> => ({
  estimated_remaining_range: [earliest, latest],
  estimated_remaining_time: latest,
})

describe('a running request', () => {
  it('is ready about a time, within a range of times', () => {
    expect(ready()).toBe('Ready about 12:02 (12:01 to 12:03)')
    expect(ready({}, { locale: 'fa' })).toBe('حدود ساعت ۱۲:۰۲ آماده می‌شود (بین ۱۲:۰۱ و ۱۲:۰۳)')
    expect(ready(range(70, 80))).toBe('Ready about 12:01')
    expect(ready(range(100, 150))).toBe('Ready about 12:02')
  })

  it('takes longer than usual once only the steps to come fit into the time that is left', () => {
    const steps = [
      { type: 'start', attempt: 1, expected },
      { type: 'progress', attempt: 1, progress: 10, step: 'first' },
    ] as const
    const inFirst = {
      record: applyCommands(aRecord({ now: T0 }), steps),
      pace: { ...PACE, leastAfter: { first: 17.4 } },
    }
    expect(ready(range(5, 38), inFirst)).toBe('Ready in 15 to 40 seconds')
    expect(ready(range(0, 19), inFirst)).toBe('Ready in 15 to 20 seconds')
    expect(ready(range(0, 18), inFirst)).toBe('taking longer than usual')
    expect(ready(range(0, 18), { ...inFirst, asksForCode: true })).toBe('taking longer than usual')
    expect(ready(range(0, 9), { ...inFirst, pace: PACE })).toBe('Ready within 10 seconds')
    const asked = { ...inFirst, record: applyCommands(inFirst.record, [REQUIRE_OTP]) }
    expect(ready(range(0, 9), asked)).toBe('After your code: 15 to 20 seconds')
    const few = { estimated_remaining_range: null, estimated_remaining_time: 10 }
    expect(ready(few, inFirst)).toBe('less than a minute')
  })

  it('never has a range of nothing', () => {
    expect(ready(range(20, 20))).toBe('Ready in 15 to 20 seconds')
    expect(ready(range(0, 1))).toBe('Ready within 5 seconds')
    expect(ready(range(120, 120), { hasClock: false })).toBe('Ready in 1 to 2 minutes')
  })

  it('takes as much longer as the person needs for a code that is still ahead', () => {
    const plus = 'plus time for your code'
    expect(ready(range(22, 38), { asksForCode: true })).toBe(`Ready in 20 to 40 seconds (${plus})`)
    expect(ready({}, { asksForCode: true })).toBe(`Ready about 12:02 (${plus})`)
    expect(ready({ is_late: true }, { asksForCode: true })).toBe('Ready about 12:02 (later than usual)')
    expect(ready({}, { asksForCode: true, isViewer: true })).toBe(
      'Ready about 12:02 (plus time for the code)',
    )
    expect(ready({}, { asksForCode: true, locale: 'fa' })).toBe(
      'حدود ساعت ۱۲:۰۲ آماده می‌شود (به‌علاوهٔ زمان وارد کردن کد)',
    )
    const unknown = { estimated_remaining_range: null, estimated_remaining_time: 120 }
    expect(ready(unknown, { asksForCode: true })).toBe(`about 2 minutes (${plus})`)
    expect(ready({ ...unknown, estimated_remaining_time: 0 }, { asksForCode: true })).not.toContain(plus)
    const question = { id: 'otp-1', kind: 'confirm' } as const
    const record = applyCommands(started, [{ type: 'require_otp', attempt: 1, otp: question }])
    expect(ready(range(22, 38), { asksForCode: true, record })).toBe(
      `After your answer: 20 to 40 seconds (${plus})`,
    )
  })

  it('takes longer for a code until the code of its attempt was asked for', () => {
    const plus = ' (plus time for your code)'
    const asked = (codeAskedIn: number, view: Partial<PublicView> = {}) =>
      ready({ ...range(22, 38), ...view }, { asksForCode: true, codeAskedIn })
    expect(asked(1)).toBe('Ready in 20 to 40 seconds')
    expect(asked(1, { attempt: 2 })).toBe(`Ready in 20 to 40 seconds${plus}`)
    expect(asked(1, { next_retry_at: toIso(T0 + 20_000) })).toBe(`Ready about 12:01${plus}`)
  })

  it('is ready about a time while the page may be out of date: that stays true', () => {
    expect(ready(range(22, 38), { isStale: true })).toBe('Ready about 12:00')
    expect(ready(range(22, 38), { isStale: true, hasClock: false })).toBe('Ready in 20 to 40 seconds')
  })

  it('is ready in so many minutes where the time zone is unknown', () => {
    expect(ready({}, { hasClock: false })).toBe('Ready in 1 to 4 minutes')
  })

  it('is ready in so many seconds below a minute', () => {
    expect(ready(range(22, 38))).toBe('Ready in 20 to 40 seconds')
    expect(ready(range(2, 3))).toBe('Ready within 5 seconds')
    expect(ready(range(22, 38), { locale: 'fa' })).toBe('۲۰ تا ۴۰ ثانیهٔ دیگر آماده می‌شود')
  })

  it('says why the time has moved later', () => {
    expect(ready({ ...range(22, 38), is_late: true })).toBe('Ready in 20 to 40 seconds (later than usual)')
    expect(ready(range(0, 0))).toBe('taking longer than usual')
    const again = { ...range(22, 38), is_late: true, attempt: 2, message_key: 'starting_over' }
    expect(ready(again)).toBe('Ready in 20 to 40 seconds')
    expect(ready({ ...again, message_key: 'signing_in' })).toMatch(/later than usual\)$/)
  })

  it('says what follows its code', () => {
    const record = applyCommands(started, [REQUIRE_OTP])
    expect(ready(range(22, 38), { record })).toBe('After your code: 20 to 40 seconds')
    const few = { estimated_remaining_range: null, estimated_remaining_time: 38 }
    expect(ready(few, { record })).toBe('After your code: less than a minute')
  })

  it('marks the step of a question as the turn of the submitter, not of a viewer', () => {
    const record = applyCommands(started, [
      { type: 'progress', attempt: 1, progress: 20, step: 'first' },
      REQUIRE_OTP,
    ])
    const currentOf = (isViewer: boolean) =>
      describeAs({}, { record, isViewer }).steps.find(({ state }) => state === 'current')?.text
    expect([currentOf(false), currentOf(true)]).toEqual(['your turn', 'now'])
  })

  it('says what follows the code of another person', () => {
    const record = applyCommands(started, [REQUIRE_OTP])
    const viewed = (locale: string) => ready(range(22, 38), { record, isViewer: true, locale })
    expect(viewed('en')).toBe('After the code: 20 to 40 seconds')
    expect(viewed('fa')).toBe('پس از رسیدن کد: ۲۰ تا ۴۰ ثانیه')
    const headingFor = (isViewer: boolean) => describeAs({}, { record, isViewer }).heading
    expect([headingFor(false), headingFor(true)]).toEqual(['A code is needed', 'Waiting for the code'])
  })

  it('has a rounded duration where nothing is expected', () => {
    expect(ready({ estimated_remaining_range: null, estimated_remaining_time: 120 })).toBe('about 2 minutes')
  })
})

describe('a running request of a service with few runs', () => {
  const few = { estimated_remaining_range: null, estimated_remaining_time: 0, started_at: toIso(T0 - 39_000) }

  it('takes longer than usual only once the duration of its definition has passed', () => {
    expect(ready(few)).toBe('less than a minute')
    expect(ready({ ...few, started_at: toIso(T0 - 40_000) })).toBe('taking longer than usual')
  })
})

describe('a request that has not started', () => {
  const record = aRecord({ now: T0 })
  const waiting = ({
    position = null,
    hold = null,
    run_at = null,
  }: Partial<Waiting & { run_at: string | null }>) =>
    withWaiting(
      { ...toPublicView(record, T0), run_at },
      { position, hold, range: expectedRange({ run_at }, position, PACE, T0) },
    )

  it('counts those before it', () => {
    const fourth = waiting({ position: 4 })
    expect(ready(fourth, { record })).toBe('Ready about 12:01')
    expect(describeAs(fourth, { record }).message).toBe(
      '3 requests before you: about a minute until your turn.',
    )
    expect(describeAs(waiting({ position: 1 }), { record })).toMatchObject({
      message: 'You are next.',
      // The one that runs may have just started.
      remaining: 'Ready about 12:00',
      hold: null,
    })
  })

  it('may wait for a whole run where it is unknown how many run at once', () => {
    const { total } = PACE
    const range = expectedRange({ run_at: null }, 1, { total, queueSeconds: null }, T0)
    expect(range).toEqual([30, 100])
    expect(expectedRange({ run_at: null }, 2, { total, queueSeconds: null }, T0)).toBeNull()
  })

  it('counts from its start time', () => {
    expect(ready(waiting({ run_at: toIso(T0 + 3_600_000) }), { record })).toBe('Ready about 13:00')
  })

  it('says that its queue is held, in the words of the operator, and promises no time', () => {
    const hold = { message: 'Back at 5.', since: toIso(T0) }
    expect(describeAs(waiting({ position: 1, hold }), { record })).toMatchObject({
      hold: 'No requests are being started right now. Yours keeps its place.\nBack at 5.',
      message: 'You are next.',
      remaining: 'On hold for now',
      bar: 'paused',
    })
    const quiet = waiting({ position: 4, hold: { ...hold, message: null } })
    expect(describeAs(quiet, { record, locale: 'fa' })).toMatchObject({
      hold: 'درخواست‌ها فعلاً شروع نمی‌شوند. جای شما در صف محفوظ است.',
      message: 'نفر ۴ صف هستید.',
    })
  })

  it('usually takes a range of seconds or of minutes, and its typical time where a range would say little', () => {
    const usually = (total: readonly [number, number] | null): string =>
      formatPace(createTexts('en').t, { total, typical: 62 })
    expect(usually([20, 38])).toBe('20 to 40 seconds')
    expect(usually([70, 170])).toBe('1 to 3 minutes')
    expect(usually([51, 69])).toBe('about a minute')
    expect(usually(null)).toBe('about a minute')
  })

  it('says what the definition says, with too few runs', () => {
    const pace = { ...PACE, total: null, queueSeconds: null }
    expect(ready({ queue_position: 4 }, { record, pace })).toBe('Usually less than a minute')
    expect(describeAs({ queue_position: 4 }, { record, pace }).message).toBe('Place 4 in the queue.')
  })

  it('says when it was sent', () => {
    expect(describeAs({}, { record }).age).toBe('sent just now')
    const sent = (seconds: number, more = {}) =>
      describeAs({ created_at: toIso(T0 - seconds * 1000), ...more }, { record }).age
    expect([sent(25), sent(61), sent(130)]).toEqual([
      'sent 20 seconds ago',
      'sent a minute ago',
      'sent 2 minutes ago',
    ])
    expect(sent(25, { run_at: toIso(T0 + 60_000) })).toBeNull()
  })

  it('says how long each step usually takes', () => {
    expect(describeAs({}, { record }).steps.map(({ text }) => text)).toEqual([
      'not started',
      'usually 7 s',
      'not started',
    ])
    const waits = { ...PACE, steps: { second: 0.4 } }
    expect(describeAs({}, { record, pace: waits }).steps[1]).toMatchObject({
      text: 'not started',
      isTimed: false,
    })
  })
})

describe('the steps of a further attempt', () => {
  const at = (attempt: number, step: string): Command => ({ type: 'progress', attempt, progress: 20, step })
  const error = { code: 'timed_out', message: 'x', retryable: true }
  const again = applyCommands(started, [
    at(1, 'third'),
    { type: 'retry', attempt: 1, nextRetryAt: T0, error },
    { type: 'start', attempt: 2 },
  ])
  const states = (record: RequestRecord) => describeAs({}, { record }).steps.map(({ state }) => state)

  it('are all to come until its bot reports one, with words of its own or without', () => {
    expect(states(again)).toEqual(['waiting', 'waiting', 'waiting'])
    expect(states(applyCommands(again, [at(2, 'second')]))).toEqual(['done', 'current', 'waiting'])
  })
})
