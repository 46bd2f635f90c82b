/** The server process (`npm run start:server`): serves pages, API and sockets; runs no jobs. With `--processes`, several. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { queuesOf } from '../core/catalog/catalog.ts'
import { offerLanguages } from '../core/i18n/index.ts'
import { openNats } from '../core/pubsub/nats-link.ts'
import { createQueueStats } from '../core/queue/queue-stats.ts'
import { startClock } from '../core/redis/clock.ts'
import { openRedis } from '../core/redis/connect.ts'
import { openInstallationSecret } from '../core/redis/installation-secret.ts'
import { startMetrics } from '../core/runtime/metrics-listener.ts'
import { listen, type ProcessContext, runProcess } from '../core/runtime/process.ts'
import { isSettingsFileOpen, SETTINGS_FILE_OPEN } from '../core/runtime/settings-file.ts'
import { startTracing } from '../core/runtime/start-tracing.ts'
import { StartupError } from '../core/runtime/startup-error.ts'
import { createAuditLog } from '../core/store/audit-log.ts'
import { auditChangedSettings } from '../core/store/changed-settings.ts'
import { openLiveCatalog } from '../core/store/live-catalog.ts'
import { createControlStore, openLiveControls } from '../core/store/operator-controls.ts'
import { createServiceRegistry } from '../core/store/service-registry.ts'
import { composeServer } from './compose.ts'
import { loadLanguages } from './load-languages.ts'
import { parseServerOptions, startServers } from './server-processes.ts'
import { createStateMetrics } from './state-metrics.ts'

const ASSETS = fileURLToPath(new URL('../public/dist', import.meta.url))

await runProcess({ name: 'server', env: process.env }, async (context) => {
  const options = parseServerOptions(process.argv.slice(2))
  if (!options) return context.shutdown('only --help was requested')
  await (options.processes === 1 ? serve(context) : startServers(context, options.processes))
})

async function serve(context: ProcessContext): Promise<void> {
  const { config, log, auditLog, register } = context
  if (isSettingsFileOpen()) log.warn(SETTINGS_FILE_OPEN)
  if (!existsSync(join(ASSETS, 'manifest.json')))
    throw new StartupError('public/dist is missing or incomplete; run: npm run build')
  offerLanguages(loadLanguages(config.server.languages, config.server.languagesFolder))
  const tracing = await startTracing('server', context)
  const metrics = await startMetrics('server', context)
  const settings = { ...config.connections, rights: 'server' as const, onPing: metrics?.onPing }
  const connections = await register('redis', openRedis(config.redis, log, settings))
  const redis = await connections.connect('fail-fast')
  const subscriber = config.nats
    ? await register('nats', openNats(config.nats, { name: 'server', log }))
    : await connections.connect('subscriber')
  const { now } = await register('clock', startClock({ redis, log }))
  const secret = await register('installation secret', openInstallationSecret(redis))
  const audit = createAuditLog({ redis, log: auditLog, process: 'server', now })
  const registry = createServiceRegistry({ redis, now })
  const catalog = await register('services', openLiveCatalog({ registry, log, now }))
  const controls = await register(
    'controls',
    openLiveControls({ controls: createControlStore({ redis, now }), log }),
  )
  const { http, store } = await register(
    'server',
    composeServer({
      redis,
      subscriber,
      secret,
      catalog,
      controls,
      registry,
      config,
      audit,
      assets: ASSETS,
      log,
      metrics,
      tracing,
      now,
    }),
  )
  if (metrics) {
    const queues = () => queuesOf(catalog)
    const queueStats = await register('queue stats', createQueueStats({ redis, store, log, queues, now }))
    metrics.onScrape(createStateMetrics({ metrics, redis, catalog, controls, queueStats, log, now }))
  }
  await listen(http, { port: config.server.port, host: config.server.host, setting: 'PORT' })
  void auditChangedSettings({ redis, secret, audit }, 'server', process.env)
  log.info(
    { address: `http://localhost:${config.server.port}`, redis: connections.address },
    'server is ready',
  )
}
