/** The server process (`npm run start:server`): serves pages, API and sockets; runs no jobs. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { offerLanguages } from '../core/i18n/index.ts'
import { startClock } from '../core/redis/clock.ts'
import { openRedis } from '../core/redis/connect.ts'
import { openInstallationSecret } from '../core/redis/installation-secret.ts'
import { listen, runProcess } from '../core/runtime/process.ts'
import { StartupError } from '../core/runtime/startup-error.ts'
import { openLiveCatalog } from '../core/store/live-catalog.ts'
import { createServiceRegistry } from '../core/store/service-registry.ts'
import { composeServer } from './compose.ts'
import { loadLanguages } from './load-languages.ts'

const ASSETS = fileURLToPath(new URL('../public/dist', import.meta.url))

await runProcess({ name: 'server', env: process.env }, async ({ config, log, register }) => {
  if (!existsSync(join(ASSETS, 'manifest.json')))
    throw new StartupError('public/dist is missing or incomplete; run: npm run build')
  offerLanguages(loadLanguages(config.server.languages, config.server.languagesFolder))
  const connections = await register('redis', openRedis(config.redis, log, config.connections))
  const redis = await connections.connect('fail-fast')
  const subscriber = await connections.connect('subscriber')
  const { now } = await register('clock', startClock({ redis, log }))
  const secret = await register('installation secret', openInstallationSecret(redis))
  const registry = createServiceRegistry({ redis, now })
  const catalog = await register('services', openLiveCatalog({ registry, log, now }))
  const { http } = await register(
    'server',
    composeServer({ redis, subscriber, secret, catalog, registry, config, assets: ASSETS, log, now }),
  )
  await listen(http, { port: config.server.port, host: config.server.host, setting: 'PORT' })
  log.info(
    { address: `http://localhost:${config.server.port}`, redis: connections.address },
    'server is ready',
  )
})
