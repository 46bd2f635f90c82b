/** A bot: an HTTP server that runs the handlers of its services, and announces them. */
import { createServer } from 'node:http'
import type { Config } from '../../core/runtime/config.ts'
import type { Log } from '../../core/runtime/log.ts'
import { listen, type ProcessContext, type Stoppable } from '../../core/runtime/process.ts'
import { createServiceRegistry, type ServiceRegistry } from '../../core/store/service-registry.ts'
import { createSyncDriver } from '../../core/tasks/drivers/sync.ts'
import { type Concurrency, createConcurrency } from '../../core/tasks/task-runner.ts'
import { createHttpUpdater } from '../http-updater.ts'
import { openUpdater, type Updater } from '../updater.ts'
import { startAnnouncer } from './announcer.ts'
import { stepIds } from './check-steps.ts'
import type { BotService } from './define-service.ts'
import { createHttpRegistry } from './http-registry.ts'
import { createRunRegistry } from './run-registry.ts'
import { createBotServer } from './server.ts'

const CLOSE_CONNECTIONS_AFTER_MS = 1_000

/** @param concurrency runs the tasks of the handlers; left out, they have none */
export async function startBot(
  { config, log, register }: Pick<ProcessContext, 'config' | 'log' | 'register'>,
  services: readonly BotService[],
  concurrency: Concurrency = withoutTasks(log),
): Promise<void> {
  const { bots, drainSeconds } = config
  const { updater, registry, onReconnect } = await connect(config, log)
  await register('updater', updater)
  await register('registry', registry)
  const runs = createRunRegistry({
    updater,
    handlers: new Map(services.map(({ service, handle }) => [service.slug, handle])),
    ...(!config.production && {
      steps: new Map(services.map(({ service }) => [service.slug, stepIds(service)])),
    }),
    concurrency,
    log,
    drainMs: drainSeconds * 1000,
  })
  const server = createServer(createBotServer({ runs, token: bots.ownToken, log }))
  await register('http server', {
    async stop() {
      await runs.stop()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // Every call is answered: connections that remain are idle.
      const timer = setTimeout(() => server.closeAllConnections(), CLOSE_CONNECTIONS_AFTER_MS)
      await closed
      clearTimeout(timer)
    },
  })
  await listen(server, { port: bots.port, host: bots.host, setting: 'LOCAL_API_PORT' })
  const bot = { name: 'default', address: bots.address, concurrency: bots.concurrency }
  const announcer = startAnnouncer({ registry, services, bot, log })
  await register('announcer', { stop: () => announcer.drain() })
  await announcer.announced
  onReconnect(announcer.again)
  log.info({ address: bots.address, services: runs.services }, 'bots are ready')
}

function withoutTasks(log: Log): Concurrency {
  const open = () => createSyncDriver(new Map())
  return createConcurrency({
    driver: 'sync',
    drivers: { sync: open, process: open, fork: open, redis: open },
    log,
  })
}

interface Halfway {
  updater: Updater
  registry: Pick<ServiceRegistry, 'announce'> & Stoppable
  /** Calls back when a lost connection is there again. */
  onReconnect(listener: () => void): void
}

/** Over HTTP where HALFWAY_URL names a server, without any connection to Redis. */
async function connect(
  { bots, redis: target, connections, requestTtlSeconds: ttlSeconds }: Config,
  log: Log,
): Promise<Halfway> {
  if (bots.halfwayUrl !== null) {
    const access = { url: bots.halfwayUrl, token: bots.ownToken }
    const updater = createHttpUpdater({ ...access, log })
    return { updater, registry: createHttpRegistry(access), onReconnect() {} }
  }
  const { updater, redis, now } = await openUpdater({ redis: target, connections, ttlSeconds, log })
  return {
    updater,
    registry: { ...createServiceRegistry({ redis, now }), stop() {} },
    onReconnect: (listener) => void redis.on('ready', listener),
  }
}
