/**
 * What a screen reader is told, and when: steps, quarters and a good end politely, one message in 15 s at most; what
 * cannot wait at once, and once each time it comes true. The regions stand outside of `<main>`, so they outlive a change of content.
 */
import { isExpiring } from '../core/record.ts'
import { describe } from '../core/texts/describe.ts'
import type { LiveKey } from '../core/texts/index.ts'
import type { Page } from './page-data.ts'
import { remainingSeconds, type State } from './reducer.ts'

const POLITE_EVERY_MS = 15_000
const LOST_AFTER_MS = 10_000

export type Region = 'polite' | 'assertive'

/** Call on every change and every second: what had to wait is told when its time comes. */
export type Announce = (state: State, page: Page) => void

export function createAnnouncer(
  first: State,
  firstNow: number,
  say: (region: Region, text: string) => void,
): Announce {
  let told = milestone(first)
  let politeAt = Number.NEGATIVE_INFINITY
  /** The end, when it has to wait its turn: nothing is told politely after it. */
  let end: LiveKey | null = null
  let connectedAt = firstNow
  // What the page already says when it is opened is not said again.
  let trueBefore = new Set(alarms(first, firstNow, connectedAt).map(([key]) => key))

  return (state, page) => {
    const now = page.clock()
    if (!isLost(state)) connectedAt = now
    const trueNow = alarms(state, now, connectedAt)
    for (const [key, region] of trueNow) {
      if (trueBefore.has(key)) continue
      if (region === 'assertive') say(region, page.t(key))
      else end = key
    }
    trueBefore = new Set(trueNow.map(([key]) => key))

    const reached = milestone(state)
    const isNews = end !== null || (state.view.status === 'processing' && reached !== told)
    if (!isNews || now - politeAt < POLITE_EVERY_MS) return
    const seconds = remainingSeconds(state, now)
    const { value } = describe(state.view, { ...page, now, remainingSeconds: seconds })
    say('polite', end === null ? value : page.t(end))
    politeAt = now
    told = reached
    end = null
  }
}

/** Everything that is told once when it comes true, and is the case now. */
function alarms(state: State, now: number, connectedAt: number): [LiveKey, Region][] {
  const { view } = state
  const all: [LiveKey, Region, boolean][] = [
    ['live.announce.code', 'assertive', view.requires_otp],
    ['live.status.completed', 'polite', view.is_completed],
    ['live.status.failed', 'assertive', view.is_failed],
    ['live.status.cancelled', 'polite', view.is_cancelled],
    ['live.announce.lost', 'assertive', isLost(state) && now - connectedAt > LOST_AFTER_MS],
    ['live.announce.expiring', 'assertive', isExpiring(view, now)],
  ]
  return all.filter(([, , isTrue]) => isTrue).map(([key, region]) => [key, region])
}

const isLost = ({ connection }: State): boolean => connection === 'offline' || connection === 'reconnecting'

/** Changes with each step and each quarter. */
const milestone = ({ view }: State): string => `${view.step} ${Math.floor(view.progress / 25)}`
