import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Retries `claim` until it does not throw, and resolves with its result. Rejects with its last error after `withinMs`.
 * Use it instead of a fixed sleep, for the effects of another process or connection.
 */
export async function eventually<T>(
  claim: () => T | Promise<T>,
  { withinMs = 20_000, everyMs = 5 } = {},
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    try {
      return await claim()
    } catch (error) {
      if (performance.now() >= deadline) throw error
      await sleep(everyMs)
    }
  }
}
