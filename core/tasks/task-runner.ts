/**
 * Several slow things at once: in this process, in threads or processes beside it, or wherever a processor listens.
 *
 *   const concurrency = createConcurrency({ driver: 'redis', drivers })
 *   const [a, b] = await concurrency.run([task(askProvider, { id: 'a' }), task(askProvider, { id: 'b' })])
 *
 * Whatever the driver, results come in the order of the calls, and errors as they were thrown (errors.ts).
 */

import type { DriverName } from '../runtime/env-schema.ts'
import type { Log } from '../runtime/log.ts'
import type { Driver } from './drivers/driver.ts'
import { type StartedTasks, startAll } from './start-tasks.ts'
import type { Run, RunOptions, TaskCall } from './task.ts'
import type { TaskError } from './task-errors.ts'

export type Settled<Result> = { ok: true; value: Result } | { ok: false; error: TaskError }

export interface Concurrency {
  /** All of them; the first error rejects, and the rest is aborted. @throws TaskError */
  run: Run
  /**
   * Runs them later, and nobody waits: once `after` has closed (a response that has gone out), else in the next turn of the
   * event loop. Errors are logged and counted.
   */
  defer(calls: readonly TaskCall[], options?: DeferOptions): void
  /** Of all that was put off: how many are done, and how many of them failed. */
  deferred(): { done: number; failed: number }
  /** The same on another driver. */
  driver(name: DriverName): Concurrency
  /** Waits for what was put off, then ends its drivers. */
  stop(): Promise<void>
}

export interface DeferOptions extends Pick<RunOptions, 'timeout' | 'limit'> {
  /** A response, or anything that closes. */
  after?: { once(event: 'close', listener: () => void): unknown; readonly closed?: boolean }
}

export interface ConcurrencyOptions {
  /** The one that is taken when none is named. */
  driver: DriverName
  /** Those that there are; each is made when it is first used. */
  drivers: Readonly<Record<DriverName, () => Driver | Promise<Driver>>>
  log: Log
}

export function createConcurrency(options: ConcurrencyOptions): Concurrency {
  const made = new Map<DriverName, Promise<Driver>>()
  const open = (name: DriverName): Promise<Driver> => {
    const driver = made.get(name) ?? Promise.resolve(options.drivers[name]())
    made.set(name, driver)
    // One that could not be made is tried again the next time.
    driver.catch(() => made.delete(name))
    return driver
  }
  const deferred = { done: 0, failed: 0 }
  const pendingDeferred = new Set<Promise<void>>()

  const on = (name: DriverName): Concurrency => {
    const begin = async (
      calls: readonly TaskCall[],
      runOptions: RunOptions,
      detached = false,
    ): Promise<StartedTasks> => startAll(await open(name), calls, runOptions, detached)

    return {
      async run(calls, runOptions = {}) {
        const { promises, abort } = await begin(calls, runOptions)
        try {
          return (await Promise.all(promises)) as never
        } finally {
          abort()
        }
      },
      defer(calls, { after, ...deferOptions } = {}) {
        const work = async (): Promise<void> => {
          await new Promise<void>((resolve) => {
            if (after && !after.closed) after.once('close', resolve)
            else setImmediate(resolve)
          })
          const { promises } = await begin(calls, deferOptions, true)
          for (const outcome of await Promise.allSettled(promises)) {
            deferred.done++
            if (outcome.status === 'fulfilled') continue
            deferred.failed++
            const { task, code } = outcome.reason as TaskError
            options.log.warn({ err: outcome.reason, task, code }, 'a task that was put off has failed')
          }
        }
        const promise = work()
          .catch((error: unknown) =>
            options.log.warn({ err: error }, 'tasks that were put off could not be run'),
          )
          .finally(() => pendingDeferred.delete(promise))
        pendingDeferred.add(promise)
      },
      deferred: () => ({ ...deferred }),
      driver: on,
      async stop() {
        await Promise.all(pendingDeferred)
        await Promise.all([...made.values()].map(async (driver) => (await driver).stop()))
        made.clear()
      },
    }
  }

  return on(options.driver)
}
