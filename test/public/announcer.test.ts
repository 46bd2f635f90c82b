import { expect, test } from 'vitest'
import { commonMessages } from '../../core/domain/common-messages.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { type PublicView, toPublicView } from '../../core/domain/record.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { createLocalizer } from '../../core/i18n/localize-message.ts'
import { createAnnouncer } from '../../public/announcer.ts'
import type { Page } from '../../public/page-data.ts'
import { type Connection, firstState } from '../../public/reducer.ts'
import { catalog } from '../helpers/services.ts'

const T0 = Date.UTC(2026, 5, 1)
const queued = toPublicView(
  createRecord({
    hash: 'req_abcdefghijklmnopqrstuvwxyz',
    service: catalog.all()[0]!,
    requestData: {},
    sessionId: null,
    now: T0,
    ttlSeconds: 1800,
  }),
  T0,
)
const running: PublicView = { ...queued, status: 'processing', started_at: queued.created_at }

/** An announcer whose clock the test sets, and what it has announced. */
function createTestAnnouncer(first: PublicView) {
  let now = T0
  const announced: string[] = []
  const { t } = createTexts('en')
  const read = createLocalizer('en', commonMessages('en'))
  const pace = { total: null, typical: 60, steps: {}, queueSeconds: null }
  const page = { title: 'Credit score', stepTitles: {}, t, read, pace, clock: () => now } as unknown as Page
  const announce = createAnnouncer(firstState(first, T0), T0, (region, text) =>
    announced.push(`${region}: ${text}`),
  )
  return {
    announced,
    at(seconds: number, view: PublicView, connection: Connection = 'live') {
      now = T0 + seconds * 1000
      announce({ ...firstState(view, now), connection }, page)
    },
  }
}

test('a new step is announced politely', () => {
  const { announced, at } = createTestAnnouncer(running)
  at(1, { ...running, step: 'captcha_solving', progress: 10 })
  expect(announced).toEqual(['polite: 10 percent'])
})

test('only one polite message is announced in 15 seconds, then the latest', () => {
  const { announced, at } = createTestAnnouncer(running)
  at(1, { ...running, step: 'a', progress: 10 })
  at(2, { ...running, step: 'b', progress: 30 })
  at(5, { ...running, step: 'c', progress: 60 })
  at(15, { ...running, step: 'c', progress: 61 })
  at(16, { ...running, step: 'c', progress: 62 })
  at(40, { ...running, step: 'c', progress: 63 })
  expect(announced).toEqual(['polite: 10 percent', 'polite: 62 percent'])
})

test('a final state is announced immediately after a polite message, and nothing follows it', () => {
  for (const [status, text] of [
    ['completed', 'Done'],
    ['cancelled', 'Cancelled'],
  ] as const) {
    const { announced, at } = createTestAnnouncer(running)
    const ended: PublicView = { ...running, status, [`is_${status}`]: true, step: 'b', progress: 100 }
    at(1, { ...running, step: 'a', progress: 10 })
    at(2, ended)
    at(40, ended)
    expect(announced).toEqual(['polite: 10 percent', `polite: ${text}`])
  }
})

test('a degraded server is announced after ten seconds, in its own words', () => {
  const { announced, at } = createTestAnnouncer(running)
  at(1, running)
  at(5, running, 'degraded')
  expect(announced).toEqual([])
  at(12, running, 'degraded')
  at(13, running, 'degraded')
  expect(announced).toEqual([expect.stringMatching(/^assertive: The service has a problem/)])
})

test('a code prompt is announced immediately, once each time', () => {
  const { announced, at } = createTestAnnouncer(running)
  const waiting: PublicView = { ...running, status: 'otp_required', requires_otp: true }
  at(1, waiting)
  at(2, waiting)
  at(20, running)
  at(21, waiting)
  expect(announced).toEqual(Array(2).fill('assertive: A code is needed to go on.'))
})

test('a lost connection is announced only after ten seconds', () => {
  const { announced, at } = createTestAnnouncer(running)
  at(1, running)
  at(5, running, 'reconnecting')
  at(10, running, 'offline')
  expect(announced).toEqual([])
  at(12, running, 'offline')
  at(13, running, 'offline')
  expect(announced).toHaveLength(1)
  expect(announced[0]).toMatch(/^assertive: The connection .* was lost/)
})

test('a state that the page had when it was opened is not announced', () => {
  const done: PublicView = { ...running, status: 'completed', is_completed: true }
  const { announced, at } = createTestAnnouncer(done)
  at(1, done)
  expect(announced).toEqual([])
})
