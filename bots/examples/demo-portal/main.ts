/** The demo portal's process: `npm run start:portal`. Listens on the loopback address only; stores nothing on disk. */
import { createServer } from 'node:http'
import { listen, runProcess } from '../../../core/runtime/process.ts'
import { createPortal } from './portal.ts'

await runProcess({ name: 'portal', env: process.env }, async ({ config, log, register }) => {
  const server = createServer(createPortal({ speed: config.demoPortal.speed, log }))
  await register('http server', {
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  })
  await listen(server, { port: config.demoPortal.port, host: '127.0.0.1', setting: 'DEMO_PORTAL_PORT' })
  log.info({ address: `http://127.0.0.1:${config.demoPortal.port}` }, 'the demo portal is ready')
})
