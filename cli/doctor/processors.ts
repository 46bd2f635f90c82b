/** Checks that a processor takes the tasks, if the redis driver is configured. */

import { openRedis } from '../../core/redis/connect.ts'
import type { Config } from '../../core/runtime/config.ts'
import { StartupError } from '../../core/runtime/startup-error.ts'
import { createConcurrencyNames } from '../../core/tasks/protocol.ts'
import { quiet } from '../installation.ts'
import { type Finding, ok } from './check-result.ts'

export async function checkProcessors(config: Config): Promise<Finding[]> {
  const { driver, redis: target, prefix } = config.concurrency
  const check = 'Tasks'
  if (driver !== 'redis') return [ok(check, `run here (${driver})`)]
  const names = createConcurrencyNames(prefix, { isCluster: target.kind === 'cluster' })
  try {
    const connections = await openRedis(target, quiet, {
      ...config.connections,
      joinOnly: true,
      rights: { tasks: names.queues },
    })
    const hasProcessor = await connections
      .connect('fail-fast')
      .then((redis) => redis.exists(names.processors))
      .finally(() => connections.stop())
    if (hasProcessor) return [ok(check, `a processor takes them under ${names.queues}`)]
    const todo = 'Start one: npm run concurrency:processor -- --timeout 0'
    return [{ check, result: 'fail', found: `no processor takes them under ${names.queues}`, todo }]
  } catch (error) {
    if (!(error instanceof StartupError)) throw error
    const todo = 'Start it, or correct CONCURRENCY_REDIS_CONNECTION.'
    return [{ check, result: 'fail', found: error.message, todo }]
  }
}
