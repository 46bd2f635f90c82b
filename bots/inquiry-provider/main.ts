/** The bots' process: `npm run start:bots`. Listens on the loopback address only. */
import { createServer } from 'node:http'
import { listen, runProcess } from '../../core/process.ts'
import { createUpdater } from '../updater.ts'
import { createRuns } from './runs.ts'
import { createBotServer } from './server.ts'
import { createHandlers } from './services/index.ts'

await runProcess({ name: 'bots', env: process.env }, async ({ config, log, use }) => {
  const updater = await use(
    'updater',
    createUpdater({ redis: config.redis, ttlSeconds: config.requestTtlSeconds, log }),
  )
  const handlers = createHandlers({
    demoPortalUrl: `http://127.0.0.1:${config.demoPortal.port}`,
    linkCheckAllowPrivate: config.linkCheck.allowPrivate,
  })
  const runs = createRuns({ updater, handlers, log })
  const server = createServer(createBotServer({ runs, token: config.bots.token, log }))
  await use('http server', {
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      await runs.stop()
      await closed
    },
  })
  await listen(server, { port: config.bots.port, host: '127.0.0.1', setting: 'LOCAL_API_PORT' })
  log.info({ address: `http://127.0.0.1:${config.bots.port}`, services: runs.services }, 'bots are ready')
})
