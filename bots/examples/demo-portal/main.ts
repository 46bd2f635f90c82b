/** The demo portal's process: `npm run start:portal`. Listens on the loopback address only; stores nothing on disk. */
import { createServer } from 'node:http'
import { listen, runProcess } from '../../../core/runtime/process.ts'
import { loadExampleSettings } from '../settings.ts'
import { createPortal } from './portal.ts'

await runProcess({ name: 'portal', env: process.env }, async ({ log, register, note }) => {
  const { portalPort, portalSpeed, portalSite, portalUrl } = loadExampleSettings(process.env)
  const server = createServer(createPortal({ speed: portalSpeed, site: portalSite, log }))
  await register('http server', {
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  })
  await listen(server, { port: portalPort, host: '127.0.0.1', setting: 'DEMO_PORTAL_PORT' })
  note(`SMS inbox (demo):  ${portalUrl}`)
  log.info({ address: portalUrl }, 'the demo portal is ready')
})
