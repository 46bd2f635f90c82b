/** What lets a process stop while Redis is away: nothing is at work, and nothing more will come of waiting. */
import type { RedisClient } from './connect.ts'

/** Whether commands wait for Redis now, rather than being answered. */
export const isAway = ({ status }: RedisClient): boolean => status !== 'ready'

/** The same work, and whether none of it is going on. */
export function countRunning<Args extends unknown[]>(work: (...args: Args) => Promise<void>) {
  let running = 0
  return {
    isIdle: (): boolean => running === 0,
    async run(...args: Args): Promise<void> {
      running++
      try {
        await work(...args)
      } finally {
        running--
      }
    },
  }
}
