/** How many at once, and how long each. */
import { taskError } from './task-errors.ts'

/** So many at once, the others in their order. */
export function createLimiter(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await work()
    } finally {
      // Handed on to the next one, else given back.
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}

/**
 * Does the work under a signal that fires when nobody wants it any more, and when it takes too long.
 *
 * @param seconds counted from now; 0 for no limit
 * @throws TaskError `aborted` or `timed_out` when the signal fired and the work did not end well; else what the work throws
 */
export async function within<T>(
  { name, signal, timeout: seconds }: { name: string; signal: AbortSignal; timeout: number },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController()
  const why = (): Error =>
    limit.signal.aborted
      ? taskError(name, 'timed_out', `it took longer than ${seconds} s.`)
      : taskError(name, 'aborted', 'it was aborted.')
  if (signal.aborted) throw why()
  const timer = seconds > 0 ? setTimeout(() => limit.abort(), seconds * 1000) : undefined
  const both = AbortSignal.any([signal, limit.signal])
  try {
    return await work(both)
  } catch (error) {
    throw both.aborted ? why() : error
  } finally {
    clearTimeout(timer)
  }
}
