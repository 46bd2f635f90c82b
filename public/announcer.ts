/**
 * Announces changes to screen readers. Steps and quarters are polite, at most one message in 15 s. The end and alarms
 * follow immediately, once each time they become true. The live regions are outside of `<main>`, so they outlive a change
 * of content.
 */
import { isExpiring } from '../core/domain/view-times.ts'
import type { LiveKey } from '../core/i18n/index.ts'
import { describeState } from './describe-state.ts'
import type { Page } from './page-data.ts'
import { isStale, type State } from './reducer.ts'

const POLITE_INTERVAL_MS = 15_000
const ALARM_AFTER_MS = 10_000

export type Region = 'polite' | 'assertive'

/** Call it on every change and every second: a postponed message is announced when its time comes. */
export type Announce = (state: State, page: Page) => void

export function createAnnouncer(
  first: State,
  firstNow: number,
  announce: (region: Region, text: string) => void,
): Announce {
  let announced = milestone(first)
  let politeAt = Number.NEGATIVE_INFINITY
  let connectedAt = firstNow
  // The page shows these when it is opened: they need no announcement.
  let before = new Set(alarms(first, firstNow, connectedAt).map(([key]) => key))

  return (state, page) => {
    const now = page.clock()
    if (!isStale(state.connection)) connectedAt = now
    const current = alarms(state, now, connectedAt)
    for (const [key, region] of current) if (!before.has(key)) announce(region, page.t(key))
    before = new Set(current.map(([key]) => key))

    const reached = milestone(state)
    const isNew = state.view.status === 'processing' && reached !== announced
    if (!isNew || now - politeAt < POLITE_INTERVAL_MS) return
    announce('polite', describeState(state, page).value)
    politeAt = now
    announced = reached
  }
}

/** The alarms that are true now; each is announced once when it becomes true. */
function alarms({ view, connection }: State, now: number, connectedAt: number): [LiveKey, Region][] {
  const isLong = now - connectedAt > ALARM_AFTER_MS
  const isDegraded = connection === 'degraded'
  const isForCode = view.otp_data === null || view.otp_data.kind === 'code'
  const all: [LiveKey, Region, boolean][] = [
    [isForCode ? 'live.announce.code' : 'live.announce.answer', 'assertive', view.requires_otp],
    ['live.status.completed', 'polite', view.is_completed],
    ['live.status.failed', 'assertive', view.is_failed],
    ['live.status.cancelled', 'polite', view.is_cancelled],
    ['live.announce.lost', 'assertive', isStale(connection) && !isDegraded && isLong],
    ['live.connection.degraded', 'assertive', isDegraded && isLong],
    ['live.announce.expiring', 'assertive', isExpiring(view, now)],
  ]
  return all.filter(([, , isTrue]) => isTrue).map(([key, region]) => [key, region])
}

/** Changes with each step and each quarter. */
const milestone = ({ view }: State): string => `${view.step} ${Math.floor(view.progress / 25)}`
