/** Starts several tasks on one driver: a promise for each, one signal for all. */
import { setMaxListeners } from 'node:events'
import pLimit from 'p-limit'
import type { Driver, DriverCall } from './drivers/driver.ts'
import { toJson } from './serialize.ts'
import type { RunOptions, TaskCall } from './task.ts'
import { TaskError, taskError } from './task-errors.ts'
import { decodeResult } from './task-result.ts'

interface StartedTasks {
  /** In the order of the calls; they reject with TaskErrors. */
  promises: Promise<unknown>[]
  abort(): void
}

/** @param detached the caller does not wait for the results */
export function startAll(
  driver: Driver,
  calls: readonly TaskCall[],
  { signal, timeout = 0, limit = Number.POSITIVE_INFINITY }: RunOptions,
  detached = false,
): StartedTasks {
  const abort = new AbortController()
  const combined = signal ? AbortSignal.any([abort.signal, signal]) : abort.signal
  setMaxListeners(0, combined)
  const limiter = pLimit(Math.min(driver.limit ?? limit, limit))
  const promises = calls.map((call, index) =>
    limiter(() => runOne(driver, call, index, { signal: combined, timeout, detached })),
  )
  for (const promise of promises) promise.catch(() => {})
  return { promises, abort: () => abort.abort() }
}

async function runOne(
  driver: Driver,
  { name, args, definition, onProgress }: TaskCall,
  index: number,
  limits: Pick<DriverCall, 'signal' | 'timeout' | 'detached'>,
): Promise<unknown> {
  try {
    const checked = definition?.schema.args.safeParse(args)
    if (checked?.success === false)
      throw taskError(name, 'invalid_arguments', `its arguments are invalid: ${checked.error.message}`)
    const json = toJson(name, 'arguments', args)
    const value = decodeResult(name, await driver.run({ name, args: json, onProgress, ...limits }))
    if (limits.detached) return null
    const result = definition?.schema.result.safeParse(value)
    if (result?.success === false)
      throw taskError(name, 'invalid_result', `its result is invalid: ${result.error.message}`)
    return result?.success ? result.data : value
  } catch (thrown) {
    throw TaskError.of(name, thrown, index)
  }
}
