import { taskError } from './task-errors.ts'

/**
 * Runs `work` with a signal that fires when the caller aborts and when the timeout has passed.
 *
 * @param timeout seconds from now; 0 for no limit
 * @throws TaskError `aborted` or `timed_out` when the signal has fired before `work` resolved; else what `work` throws
 */
export async function runLimited<T>(
  { name, signal, timeout }: { name: string; signal: AbortSignal; timeout: number },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController()
  const toError = (): Error =>
    limit.signal.aborted
      ? taskError(name, 'timed_out', `it took longer than ${timeout} s.`)
      : taskError(name, 'aborted', 'it was aborted.')
  if (signal.aborted) throw toError()
  const timer = timeout > 0 ? setTimeout(() => limit.abort(), timeout * 1000) : undefined
  const combined = AbortSignal.any([signal, limit.signal])
  try {
    return await work(combined)
  } catch (error) {
    throw combined.aborted ? toError() : error
  } finally {
    clearTimeout(timer)
  }
}
