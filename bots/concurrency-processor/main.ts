/** A processor of tasks: `npm run concurrency:processor`. Any number may run, on any number of machines. */
import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { isAway } from '../../core/redis/away.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { runProcess } from '../../core/runtime/process.ts'
import { StartupError } from '../../core/runtime/startup-error.ts'
import { createPoolDriver } from '../../core/tasks/drivers/pool.ts'
import { startProcessor } from '../../core/tasks/processor.ts'
import { createConcurrencyNames } from '../../core/tasks/protocol.ts'
import { parseProcessorArguments } from './options.ts'

/** The tasks of the examples, which may be removed. In the package the file is compiled, as this one is. */
const EXAMPLE_TASKS = new URL(`../examples/tasks${extname(import.meta.url)}`, import.meta.url)

await runProcess(
  { name: 'processor', env: process.env },
  async ({ config, log, register, shutdown, leaveWhen }) => {
    const options = parseProcessorArguments(process.argv.slice(2), config.concurrency)
    if (!options) return shutdown('only help was asked for')
    const tasks = options.tasks ?? (existsSync(EXAMPLE_TASKS) ? EXAMPLE_TASKS.href : undefined)
    if (tasks === undefined) throw new StartupError('Name the module with the tasks: --tasks file:///…')
    const target = options.connection
    const blockMs = options.sleep * 1000
    const names = createConcurrencyNames(options.queuePrefix, { isCluster: target.kind === 'cluster' })
    const rights = { tasks: names.queues }
    const connections = await register(
      'redis',
      openRedis(target, log, { ...config.connections, blockMs, rights }),
    )
    const redis = await connections.connect('patient')
    const pool = createPoolDriver({
      runtime: 'worker_threads',
      tasks,
      maxWorkers: options.concurrency,
    })
    await register('pool', pool)
    const processor = await register(
      'processor',
      startProcessor({
        redis,
        names,
        pool,
        concurrency: options.concurrency,
        sleepSeconds: options.sleep,
        tries: options.tries,
        log,
      }),
    )
    leaveWhen(() => isAway(redis) && processor.isIdle())
    if (options.timeout > 0) {
      const timer = setTimeout(() => shutdown('--timeout has passed'), options.timeout * 1000)
      await register('timeout', { stop: () => clearTimeout(timer) })
    }
    log.info(
      { redis: connections.address, prefix: names.queues, concurrency: options.concurrency },
      'processor is ready',
    )
  },
)
