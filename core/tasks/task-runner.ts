/**
 * Runs several slow tasks concurrently: in this process, in a pool of threads or processes, or on processors.
 *
 *   const concurrency = createConcurrency({ driver: 'redis', drivers })
 *   const [a, b] = await concurrency.run([task(askProvider, { id: 'a' }), task(askProvider, { id: 'b' })])
 *
 * With every driver, results come in the order of the calls, and errors as they were thrown (task-errors.ts).
 */

import type { DriverName } from '../runtime/env-schema.ts'
import type { Log } from '../runtime/log.ts'
import type { Driver } from './drivers/driver.ts'
import { startAll } from './start-tasks.ts'
import type { RunOptions, RunTasks, TaskCall } from './task.ts'
import type { TaskError } from './task-errors.ts'

export type Settled<Result> = { ok: true; value: Result } | { ok: false; error: TaskError }

export interface Concurrency {
  /** Resolves with all results. The first error rejects and aborts the rest. @throws TaskError */
  run: RunTasks
  /**
   * Runs them once `after` has closed (a response that has been sent), else in the next turn of the event loop. Nothing
   * waits for the results; errors are logged and counted.
   */
  defer(calls: readonly TaskCall[], options?: DeferOptions): void
  /** How many deferred tasks have ended, and how many of these have failed. */
  deferred(): { done: number; failed: number }
  /** The same on another driver. */
  driver(name: DriverName): Concurrency
  /** Waits for deferred tasks, then stops the drivers. */
  stop(): Promise<void>
}

export interface DeferOptions extends Pick<RunOptions, 'timeout' | 'limit'> {
  /** A response, or anything that closes. */
  after?: { once(event: 'close', listener: () => void): unknown; readonly closed?: boolean }
}

export interface ConcurrencyOptions {
  /** The default. */
  driver: DriverName
  /** Each is created when it is first used. */
  drivers: Readonly<Record<DriverName, () => Driver | Promise<Driver>>>
  log: Log
}

export function createConcurrency({ driver: defaultDriver, drivers, log }: ConcurrencyOptions): Concurrency {
  const opened = new Map<DriverName, Promise<Driver>>()
  const pendingDeferred = new Set<Promise<void>>()
  const deferred = { done: 0, failed: 0 }

  function open(name: DriverName): Promise<Driver> {
    const driver = opened.get(name) ?? Promise.resolve(drivers[name]())
    opened.set(name, driver)
    // A driver that could not be opened is opened again for the next call.
    driver.catch(() => opened.delete(name))
    return driver
  }

  async function runDeferred(
    name: DriverName,
    calls: readonly TaskCall[],
    { after, ...options }: DeferOptions,
  ): Promise<void> {
    await new Promise<void>((resolve) => {
      if (after && !after.closed) after.once('close', resolve)
      else setImmediate(resolve)
    })
    const { promises } = startAll(await open(name), calls, options, true)
    for (const settled of await Promise.allSettled(promises)) {
      deferred.done++
      if (settled.status === 'fulfilled') continue
      deferred.failed++
      const { task, code } = settled.reason as TaskError
      log.warn({ handler_err: settled.reason, task, code }, 'a deferred task has failed')
    }
  }

  const on = (name: DriverName): Concurrency => ({
    async run(calls, options = {}) {
      const { promises, abort } = startAll(await open(name), calls, options)
      try {
        return (await Promise.all(promises)) as never
      } finally {
        abort()
      }
    },
    defer(calls, options = {}) {
      const promise = runDeferred(name, calls, options)
        .catch((error: unknown) => log.warn({ err: error }, 'deferred tasks could not be started'))
        .finally(() => pendingDeferred.delete(promise))
      pendingDeferred.add(promise)
    },
    deferred: () => ({ ...deferred }),
    driver: on,
    async stop() {
      await Promise.all(pendingDeferred)
      await Promise.all([...opened.values()].map(async (driver) => (await driver).stop()))
      opened.clear()
    },
  })

  return on(defaultDriver)
}
