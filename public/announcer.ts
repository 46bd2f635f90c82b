/**
 * What a screen reader is told, and when: steps and quarters politely, one message in 15 s at most; the end, and what
 * cannot wait, at once, and once each time it comes true. The regions stand outside of `<main>`, so they outlive a change of content.
 */
import { isExpiring } from '../core/domain/record.ts'
import type { LiveKey } from '../core/i18n/index.ts'
import { describeRequest } from '../core/presentation/describe-request.ts'
import type { Page } from './page-data.ts'
import { isStale, remainingSeconds, type State } from './reducer.ts'

const POLITE_EVERY_MS = 15_000
const LOST_AFTER_MS = 10_000

export type Region = 'polite' | 'assertive'

/** Call on every change and every second: what had to wait is told when its time comes. */
export type Announce = (state: State, page: Page) => void

export function createAnnouncer(
  first: State,
  firstNow: number,
  announce: (region: Region, text: string) => void,
): Announce {
  let told = milestone(first)
  let politeAt = Number.NEGATIVE_INFINITY
  let connectedAt = firstNow
  // What the page already says when it is opened is not said again.
  let trueBefore = new Set(alarms(first, firstNow, connectedAt).map(([key]) => key))

  return (state, page) => {
    const now = page.clock()
    if (!isStale(state.connection)) connectedAt = now
    const trueNow = alarms(state, now, connectedAt)
    for (const [key, region] of trueNow) if (!trueBefore.has(key)) announce(region, page.t(key))
    trueBefore = new Set(trueNow.map(([key]) => key))

    const reached = milestone(state)
    const isNews = state.view.status === 'processing' && reached !== told
    if (!isNews || now - politeAt < POLITE_EVERY_MS) return
    const seconds = remainingSeconds(state, now)
    announce('polite', describeRequest(state.view, { ...page, now, remainingSeconds: seconds }).value)
    politeAt = now
    told = reached
  }
}

/** Everything that is told once when it comes true, and is the case now. */
function alarms({ view, connection }: State, now: number, connectedAt: number): [LiveKey, Region][] {
  const isLong = now - connectedAt > LOST_AFTER_MS
  const isDegraded = connection === 'degraded'
  const all: [LiveKey, Region, boolean][] = [
    ['live.announce.code', 'assertive', view.requires_otp],
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
