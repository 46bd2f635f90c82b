import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Resolves with what `claim` returns as soon as it returns without throwing; after the limit it rejects with the
 * claim's last error. For what another process or a connection brings about: instead of sleeping and hoping.
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
