import { expect, test } from 'vitest'
import { allServices } from '../../core/catalog/index.ts'
import { commonMessages } from '../../core/domain/common-messages.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { type PublicView, toPublicView } from '../../core/domain/record.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { createLocalizer } from '../../core/i18n/localize-message.ts'
import { createAnnouncer } from '../../public/announcer.ts'
import type { Page } from '../../public/page-data.ts'
import { type Connection, firstState } from '../../public/reducer.ts'

const T0 = Date.UTC(2026, 5, 1)
const queued = toPublicView(
  createRecord({
    hash: 'req_abcdefghijklmnopqrstuvwxyz',
    service: allServices()[0]!,
    requestData: {},
    sessionId: null,
    now: T0,
    ttlSeconds: 1800,
  }),
  T0,
)
const running: PublicView = { ...queued, status: 'processing', started_at: queued.created_at }

/** A page whose clock stands where the test puts it, and what was said on it. */
function listen(first: PublicView) {
  let now = T0
  const said: string[] = []
  const { t } = createTexts('en')
  const read = createLocalizer('en', commonMessages('en'))
  const page = { title: 'Credit score', stepTitles: {}, t, read, clock: () => now } as unknown as Page
  const announce = createAnnouncer(firstState(first, T0), T0, (region, text) =>
    said.push(`${region}: ${text}`),
  )
  return {
    said,
    at(seconds: number, view: PublicView, connection: Connection = 'live') {
      now = T0 + seconds * 1000
      announce({ ...firstState(view, now), connection }, page)
    },
  }
}

test('a step is told politely', () => {
  const { said, at } = listen(running)
  at(1, { ...running, step: 'captcha_solving', progress: 10 })
  expect(said).toEqual(['polite: 10 percent'])
})

test('within 15 seconds only one polite message is given, then the latest', () => {
  const { said, at } = listen(running)
  at(1, { ...running, step: 'a', progress: 10 })
  at(2, { ...running, step: 'b', progress: 30 })
  at(5, { ...running, step: 'c', progress: 60 })
  at(15, { ...running, step: 'c', progress: 61 })
  at(16, { ...running, step: 'c', progress: 62 })
  at(40, { ...running, step: 'c', progress: 63 })
  expect(said).toEqual(['polite: 10 percent', 'polite: 62 percent'])
})

test('the end is told at once, however recent the last polite message is, and nothing after it', () => {
  for (const [status, text] of [
    ['completed', 'Done'],
    ['cancelled', 'Cancelled'],
  ] as const) {
    const { said, at } = listen(running)
    const ended: PublicView = { ...running, status, [`is_${status}`]: true, step: 'b', progress: 100 }
    at(1, { ...running, step: 'a', progress: 10 })
    at(2, ended)
    at(40, ended)
    expect(said).toEqual(['polite: 10 percent', `polite: ${text}`])
  }
})

test('a server that cannot see its requests is told of only after ten seconds, in its own words', () => {
  const { said, at } = listen(running)
  at(1, running)
  at(5, running, 'degraded')
  expect(said).toEqual([])
  at(12, running, 'degraded')
  at(13, running, 'degraded')
  expect(said).toEqual([expect.stringMatching(/^assertive: The service has a problem/)])
})

test('a needed code is told at once and once each time', () => {
  const { said, at } = listen(running)
  const waiting: PublicView = { ...running, status: 'otp_required', requires_otp: true }
  at(1, waiting)
  at(2, waiting)
  at(20, running)
  at(21, waiting)
  expect(said).toEqual(Array(2).fill('assertive: A code is needed to go on.'))
})

test('a lost connection is told only after ten seconds', () => {
  const { said, at } = listen(running)
  at(1, running)
  at(5, running, 'reconnecting')
  at(10, running, 'offline')
  expect(said).toEqual([])
  at(12, running, 'offline')
  at(13, running, 'offline')
  expect(said).toHaveLength(1)
  expect(said[0]).toMatch(/^assertive: The connection .* was lost/)
})

test('what the page already says when it is opened is not said again', () => {
  const done: PublicView = { ...running, status: 'completed', is_completed: true }
  const { said, at } = listen(done)
  at(1, done)
  expect(said).toEqual([])
})
