/** Detects when a process can stop while Redis is away: no work is running, and commands only wait for the connection. */
import type { RedisClient } from './connect.ts'

/** Whether commands wait for the connection now. */
export const isAway = ({ status }: RedisClient): boolean => status !== 'ready'

/** Wraps `work` and counts the calls that are running. */
export function countRunning<Args extends unknown[]>(work: (...args: Args) => Promise<void>) {
  let running = 0
  return {
    isIdle: (): boolean => running === 0,
    running: (): number => running,
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
