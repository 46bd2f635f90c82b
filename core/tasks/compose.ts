/** Concurrency as the settings have it: every driver there is, each opened when it is first used. */

import { openRedis } from '../redis/connect.ts'
import type { Config } from '../runtime/config.ts'
import type { Log } from '../runtime/log.ts'
import { createPoolDriver } from './drivers/pool.ts'
import { createRedisDriver } from './drivers/redis.ts'
import { createSyncDriver } from './drivers/sync.ts'
import { createConcurrencyNames } from './protocol.ts'
import { loadTasks } from './task.ts'
import { type Concurrency, createConcurrency } from './task-runner.ts'

/** Which Redis the redis driver uses: Halfway's own, or the one at an address. */
export const concurrencyTarget = (redis: Config['redis'], connection: string): Config['redis'] =>
  connection === 'default' ? redis : { kind: 'single', url: connection }

/** @param tasks the module that exports them, as `import.meta.url` would say */
export function openConcurrency({
  config,
  tasks,
  log,
}: {
  config: Pick<Config, 'redis' | 'connections' | 'concurrency'>
  tasks: string
  log: Log
}): Concurrency {
  const { driver, poolSize: most, connection, prefix } = config.concurrency
  return createConcurrency({
    driver,
    log,
    drivers: {
      sync: async () => createSyncDriver(await loadTasks(tasks)),
      process: () => createPoolDriver({ runtime: 'child_process', tasks, most }),
      fork: () => createPoolDriver({ runtime: 'worker_threads', tasks, most }),
      async redis() {
        const target = concurrencyTarget(config.redis, connection)
        const connections = await openRedis(target, log, config.connections)
        const redis = await connections.connect('patient')
        const blocking = await connections.connect('patient')
        const names = createConcurrencyNames(prefix, { isCluster: target.kind === 'cluster' })
        const made = createRedisDriver({ redis, blocking, names, log })
        return {
          run: made.run,
          async stop() {
            await made.stop()
            await connections.stop()
          },
        }
      },
    },
  })
}
