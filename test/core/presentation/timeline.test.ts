/** Timelines, silences and pauses in words. */
import { describe, expect, it } from 'vitest'
import { messagesOfService } from '../../../core/catalog/service-messages.ts'
import type { Command } from '../../../core/domain/command.ts'
import { type RequestRecord, toPublicView } from '../../../core/domain/record.ts'
import { transition } from '../../../core/domain/state-machine.ts'
import { changeOfTimeline, type TimelineEntry } from '../../../core/domain/timeline.ts'
import { createTexts } from '../../../core/i18n/index.ts'
import { createLocalizer } from '../../../core/i18n/localize-message.ts'
import { describeRequest } from '../../../core/presentation/describe-request.ts'
import { describeTimeline } from '../../../core/presentation/describe-timeline.ts'
import { aRecord, REQUIRE_OTP, START, T0, TTL_SECONDS } from '../../helpers/record.ts'

const contextIn = (locale: string) => ({
  t: createTexts(locale).t,
  read: createLocalizer(locale, messagesOfService(undefined, locale)),
  stepTitles: { first: 'First', second: 'Second' },
})
const RETRY: Command = {
  type: 'retry',
  attempt: 1,
  nextRetryAt: T0 + 60_000,
  error: { code: 'bot_busy', message: 'HTTP 429', retryable: true },
}
const at = (step: string, message?: string, attempt = 1): Command => ({
  type: 'progress',
  attempt,
  progress: 10,
  step,
  message,
})

/** The entries after these commands, ten seconds apart, and the record. */
function play(...commands: Command[]): { entries: TimelineEntry[]; record: RequestRecord } {
  let record = aRecord({ now: T0 })
  const entries = [changeOfTimeline(null, record)!.entry]
  commands.forEach((command, i) => {
    const next = transition(record, command, { now: T0 + (i + 1) * 10_000, ttlSeconds: TTL_SECONDS })
    if (!next.ok) throw new Error(next.rejection)
    const change = changeOfTimeline(record, next.record)
    if (change) entries.push(change.entry)
    record = next.record
  })
  return { entries, record }
}

describe('a timeline', () => {
  it('a timeline says what was tried, for how long, why it failed, and where it waited', () => {
    const { entries } = play(
      START,
      at('first', 'Signing in'),
      at('second'),
      REQUIRE_OTP,
      { type: 'submit_otp', otp: '123456' },
      RETRY,
      { type: 'start', attempt: 2 },
      { type: 'fail', attempt: 2, error: { code: 'portal_closed', message: 'HTTP 418', retryable: false } },
    )
    const lines = describeTimeline(entries, contextIn('en')).map(({ kind, text, lasted }) =>
      [kind, text, lasted].filter(Boolean).join(' | '),
    )
    expect(lines).toEqual([
      'pending | We have your request. | waited 10 s',
      'processing | The work has started. | 10 s',
      'processing | Signing in | 10 s',
      'processing | Second | 10 s',
      'otp_required | A code is needed to go on. | waited 10 s',
      'processing | We have your code, checking it | 10 s',
      'failed | Attempt 1 did not work. The service was too busy. | waited 10 s',
      'processing | Starting over (2\u00a0of\u00a03). | 10 s',
      // The bot's own words are no reason for people.
      'failed | Attempt 2 did not work. No further attempt.',
    ])
  })

  it("a timeline is in the viewer's language, and says who cancelled", () => {
    const { entries } = play(START, RETRY, { type: 'cancel', by: 'operator' })
    expect(describeTimeline(entries, contextIn('fa')).map(({ text }) => text)).toEqual([
      'درخواست شما رسید.',
      'کار شروع شد.',
      expect.stringMatching(/^تلاش ۱ نتیجه نداد\. /),
      'مسئول سامانه آن را لغو کرد.',
    ])
  })
})

describe('a running request', () => {
  const pace = { total: null, typical: 300, steps: { first: 40 }, queueSeconds: null }
  const described = (record: RequestRecord, seconds: number) => {
    const now = Date.parse(record.updated_at) + seconds * 1000
    return describeRequest(toPublicView(record, now), {
      ...contextIn('en'),
      now,
      title: '',
      pace,
      remainingSeconds: 0,
      earliestSeconds: null,
    })
  }

  it('a silence is shown from 10 s, from a minute, and with advice from three times the usual', () => {
    const inFirst = play(START, at('first', 'Signing in')).record
    const inSecond = play(START, at('second', 'Asking')).record
    const shownAt = (record: RequestRecord, seconds: number) => {
      const { silence, age, advice } = described(record, seconds)
      return [silence, age, advice !== null]
    }
    expect(shownAt(inFirst, 9)).toEqual([0, 'updated just now', false])
    expect(shownAt(inFirst, 12)).toEqual([1, 'last update 10 seconds ago', false])
    expect(shownAt(inFirst, 119)).toEqual([2, 'No update for 1 minute, still waiting', false])
    expect(shownAt(inFirst, 120)).toEqual([3, 'No update for 2 minutes, still waiting', true])
    // A step without a duration of its own has that of the service.
    expect(shownAt(inSecond, 899)[0]).toBe(2)
    expect(shownAt(inSecond, 900)[0]).toBe(3)
    expect([119, 120].map((seconds) => described(inFirst, seconds).heading)).toEqual([
      'Working on it',
      'Waiting for the service',
    ])
    expect([119, 120].map((seconds) => described(inFirst, seconds).drawing)).toEqual(['processing', 'silent'])
    expect([119, 120].map((seconds) => described(inFirst, seconds).bar)).toEqual(['processing', 'paused'])
  })

  it('between two attempts the next one is counted down to, the bar stands still, and no silence is shown', () => {
    const { record } = play(START, at('first', 'Signing in'), RETRY)
    const waiting = described(record, 15)
    expect(waiting).toMatchObject({
      bar: 'paused',
      silence: 0,
      age: 'Attempt 2 of 3 in 15 s',
      message: 'The service was too busy.',
      heading: 'Trying again soon',
      attempt: null,
      steps: [{ text: 'again in 15 s' }, { text: 'not started' }, { text: 'not started' }],
    })
    expect(described(record, 40).age).toBe('Attempt 2 of 3 any moment now')
  })

  it('the steps of a further attempt wait until it reports', () => {
    const { record } = play(START, at('first', 'Signing in'), at('second', 'Asking'), RETRY)
    const again = transition(record, { type: 'start', attempt: 2 }, { now: T0 + 90_000, ttlSeconds: 1 })
    expect(again.ok && described(again.record, 1)).toMatchObject({
      bar: 'processing',
      heading: 'Trying again',
      drawing: 'retrying',
      message: 'Starting over (2\u00a0of\u00a03).',
      attempt: null,
      value: '10 percent',
      steps: [{ state: 'waiting' }, { state: 'waiting' }, { state: 'waiting' }],
    })
    const reported = play(
      START,
      at('first', 'Signing in'),
      at('second', 'Asking'),
      RETRY,
      { type: 'start', attempt: 2 },
      at('second', 'Asking again', 2),
    )
    expect(described(reported.record, 1).steps.map(({ state }) => state)).toEqual([
      'done',
      'current',
      'waiting',
    ])
  })
})
