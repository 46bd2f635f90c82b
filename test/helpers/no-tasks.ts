/** A Concurrency without tasks, for bots that run none. */

import { createSyncDriver } from '../../core/tasks/drivers/sync.ts'
import { createConcurrency } from '../../core/tasks/task-runner.ts'
import { quiet } from './redis.ts'

const sync = () => createSyncDriver(new Map())

export const noTasks = createConcurrency({
  driver: 'sync',
  drivers: { sync, process: sync, fork: sync, redis: sync },
  log: quiet,
})
