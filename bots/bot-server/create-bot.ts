/** A bot: an HTTP server that runs the handlers of its services, and announces them. */
import { createServer } from 'node:http'
import { type Catalog, createCatalog } from '../../core/catalog/catalog.ts'
import type { Config } from '../../core/runtime/config.ts'
import type { Log } from '../../core/runtime/log.ts'
import type { Metrics } from '../../core/runtime/metrics.ts'
import { startMetrics } from '../../core/runtime/metrics-listener.ts'
import { listen, type ProcessContext, type Stoppable } from '../../core/runtime/process.ts'
import { startTracing } from '../../core/runtime/start-tracing.ts'
import type { Tracing } from '../../core/runtime/tracing.ts'
import { createRequestEnds } from '../../core/store/request-ends.ts'
import { createServiceRegistry, type ServiceRegistry } from '../../core/store/service-registry.ts'
import { createWriteObserver, observeEnds } from '../../core/store/write-observer.ts'
import { createTraceWrite } from '../../core/store/write-traces.ts'
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
  context: Pick<ProcessContext, 'config' | 'log' | 'register'>,
  services: readonly BotService[],
  concurrency: Concurrency = withoutTasks(context.log),
): Promise<void> {
  const { config, log, register } = context
  const { bots, drainSeconds } = config
  const tracing = await startTracing('bots', context)
  const metrics = await startMetrics('bots', context)
  const catalog = createCatalog(services.map(({ service }) => service))
  const { updater, registry, onReconnect } = await connect(config, log, { metrics, tracing, catalog })
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
    tracing,
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
  { bots, redis: target, connections, requestTtlSeconds: ttlSeconds, server }: Config,
  log: Log,
  { metrics, tracing, catalog }: { metrics?: Metrics; tracing?: Tracing; catalog: Catalog },
): Promise<Halfway> {
  if (bots.halfwayUrl !== null) {
    const access = { url: bots.halfwayUrl, token: bots.ownToken }
    const updater = createHttpUpdater({ ...access, log, traceparent: tracing?.traceparent })
    return { updater, registry: createHttpRegistry(access), onReconnect() {} }
  }
  let onEnd: ReturnType<typeof createRequestEnds> | undefined
  const { updater, redis, now } = await openUpdater({
    redis: target,
    connections: { ...connections, rights: 'bots', onPing: metrics?.onPing },
    ttlSeconds,
    log,
    observer: observeEnds(metrics && createWriteObserver(metrics, catalog), (record) => onEnd?.(record)),
    traceWrite: tracing && createTraceWrite(tracing, catalog),
  })
  onEnd = createRequestEnds({ redis, closeAfterFailures: server.closeAfterFailures, log, now })
  return {
    updater,
    registry: { ...createServiceRegistry({ redis, now }), stop() {} },
    onReconnect: (listener) => void redis.on('ready', listener),
  }
}
