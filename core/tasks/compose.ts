/** Concurrency by the settings. Each driver is opened when it is first used. */

import { openRedis } from '../redis/connect.ts'
import type { Config } from '../runtime/config.ts'
import type { Log } from '../runtime/log.ts'
import { createPoolDriver } from './drivers/pool.ts'
import { createRedisDriver } from './drivers/redis.ts'
import { createSyncDriver } from './drivers/sync.ts'
import { createConcurrencyNames } from './protocol.ts'
import { loadTasks } from './task.ts'
import { type Concurrency, createConcurrency } from './task-runner.ts'

/** @param tasks URL of the module that exports the tasks */
export function openConcurrency({
  config,
  tasks,
  log,
}: {
  config: Pick<Config, 'connections' | 'concurrency'>
  tasks: string
  log: Log
}): Concurrency {
  const { driver: defaultDriver, poolSize: maxWorkers, redis: target, prefix } = config.concurrency
  return createConcurrency({
    driver: defaultDriver,
    log,
    drivers: {
      sync: async () => createSyncDriver(await loadTasks(tasks)),
      process: () => createPoolDriver({ runtime: 'child_process', tasks, maxWorkers }),
      fork: () => createPoolDriver({ runtime: 'worker_threads', tasks, maxWorkers }),
      async redis() {
        const names = createConcurrencyNames(prefix, { isCluster: target.kind === 'cluster' })
        const connections = await openRedis(target, log, {
          ...config.connections,
          rights: { tasks: names.queues },
        })
        const redis = await connections.connect('patient')
        const blocking = await connections.connect('patient')
        const driver = createRedisDriver({ redis, blocking, names, log })
        return {
          run: driver.run,
          async stop() {
            await driver.stop()
            await connections.stop()
          },
        }
      },
    },
  })
}
