/** For whoever watches the process: is it up, and can requests be served end to end? */
import { Router } from 'express'

export function createHealthRoutes(checks: Record<string, () => Promise<boolean>>): Router {
  const router = Router()
  router.use(['/livez', '/readyz'], (_req, res, next) => {
    res.set('Cache-Control', 'no-store')
    next()
  })
  router.get('/livez', (_req, res) => void res.json({ status: 'ok' }))
  router.get('/readyz', async (_req, res) => {
    const results = await Promise.all(
      Object.entries(checks).map(
        async ([name, check]) => [name, (await check().catch(() => false)) ? 'ok' : 'failing'] as const,
      ),
    )
    const ready = results.every(([, result]) => result === 'ok')
    res
      .status(ready ? 200 : 503)
      .json({ status: ready ? 'ok' : 'unavailable', checks: Object.fromEntries(results) })
  })
  return router
}
