/** Composes the bots' process: updater, run registry, HTTP server. */
import { createServer } from 'node:http'
import { listen, type ProcessContext } from '../../core/runtime/process.ts'
import type { Concurrency } from '../../core/tasks/task-runner.ts'
import { createUpdater } from '../updater.ts'
import type { Handle } from './define-service.ts'
import { createRunRegistry } from './run-registry.ts'
import { createBotServer } from './server.ts'

const CLOSE_CONNECTIONS_AFTER_MS = 1_000

/**
 * @param handlers by the service's slug
 * @param concurrency runs the tasks of the handlers
 */
export async function startProvider(
  { config, log, register }: ProcessContext,
  handlers: ReadonlyMap<string, Handle>,
  concurrency: Concurrency,
): Promise<void> {
  const updater = await register(
    'updater',
    createUpdater({
      redis: config.redis,
      connections: config.connections,
      ttlSeconds: config.requestTtlSeconds,
      log,
    }),
  )
  const runs = createRunRegistry({ updater, handlers, concurrency, log, drainMs: config.drainSeconds * 1000 })
  const server = createServer(createBotServer({ runs, token: config.bots.token, log }))
  await register('http server', {
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      await runs.stop()
      // Every call is answered: connections that remain are idle.
      const timer = setTimeout(() => server.closeAllConnections(), CLOSE_CONNECTIONS_AFTER_MS)
      await closed
      clearTimeout(timer)
    },
  })
  await listen(server, { port: config.bots.port, host: '127.0.0.1', setting: 'LOCAL_API_PORT' })
  log.info({ address: `http://127.0.0.1:${config.bots.port}`, services: runs.services }, 'bots are ready')
}
