/** Errors of Redis: as the one error that callers see, and which of them are retried. */
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../domain/errors.ts'

const FIRST_WAIT_MS = 50
/** The longest wait between two attempts: pending writes are done this soon after Redis accepts them again. */
export const MAX_RETRY_WAIT_MS = 500
/** No attempt takes longer. */
const MAX_RETRY_MS = 300_000

/** Errors of a Redis that is up but refuses commands. In the error of a script they are in the middle. */
const REFUSAL = /\b(?:NOREPLICAS|MISCONF|BUSY|LOADING|OOM|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN)\b/

/**
 * Runs work that uses Redis, so that callers see one error for whatever fails there. Programming errors stay what they are.
 *
 * @throws AppError `storage_unavailable`, or the AppError of the work
 */
export async function withStorageErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AppError || error instanceof TypeError || error instanceof RangeError) throw error
    throw new AppError('storage_unavailable', { cause: error })
  }
}

/** Whether the same may succeed a moment later. */
export const isUnavailable = (error: unknown): boolean =>
  error instanceof AppError
    ? error.code === 'storage_unavailable'
    : error instanceof Error && REFUSAL.test(error.message)

/**
 * Retries what Redis refuses temporarily (NOREPLICAS, MISCONF, BUSY, OOM and others), so that a bot's work is not repeated
 * only because its result could not be written immediately.
 *
 * @param options.signal no further try once it aborts
 * @param options.maxMs no further try after so long
 * @throws what the last try threw; at once what no further try would change
 */
export async function retryUnavailable<T>(
  work: () => Promise<T>,
  { signal, maxMs = MAX_RETRY_MS }: { signal?: AbortSignal; maxMs?: number } = {},
): Promise<T> {
  const end = performance.now() + maxMs
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(MAX_RETRY_WAIT_MS, 2 * waitMs)) {
    try {
      return await work()
    } catch (error) {
      const isOver = (): boolean => signal?.aborted === true || performance.now() >= end
      if (!isUnavailable(error) || isOver()) throw error
      await sleep(waitMs, undefined, { signal }).catch(() => {})
      if (isOver()) throw error
    }
  }
}

export class TooManyWriters extends AppError {
  constructor() {
    super('storage_unavailable', { detail: 'Too many programs write this request at the same time.' })
  }
}
