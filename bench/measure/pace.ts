/** Lets something happen so many times a second, evenly. */
import { setTimeout as sleep } from 'node:timers/promises'

const TICK_MS = 5
/** What a stall kept from happening is not made good in one burst: that would be another load than the one asked for. */
const MOST_MADE_GOOD_MS = 3 * TICK_MS

export interface Pace {
  perSecond: number
  seconds: number
}

/** @returns the milliseconds it took, more than was asked for when this process could not keep up */
export async function pace({ perSecond, seconds }: Pace, act: () => void): Promise<number> {
  const began = performance.now()
  let left = Math.round(perSecond * seconds)
  let due = 0
  for (let lastTick = began; left > 0; ) {
    await sleep(TICK_MS)
    const now = performance.now()
    due += (Math.min(now - lastTick, MOST_MADE_GOOD_MS) / 1000) * perSecond
    lastTick = now
    for (; due >= 1 && left > 0; due--, left--) act()
  }
  return performance.now() - began
}
