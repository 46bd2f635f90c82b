/** The bots' process: `npm run start:bots`. Listens on the loopback address only. */
import { runProcess } from '../../core/process.ts'
import { startProvider } from './provider.ts'
import { createHandlers } from './services/index.ts'

await runProcess({ name: 'bots', env: process.env }, (app) =>
  startProvider(
    app,
    createHandlers({
      demoPortalUrl: `http://127.0.0.1:${app.config.demoPortal.port}`,
      linkCheckAllowPrivate: app.config.linkCheck.allowPrivate,
    }),
  ),
)
