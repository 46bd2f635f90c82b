/** Health checks: `/livez` says whether the process is up, `/readyz` whether requests can be served end to end. */
import { Router } from 'express'
import { OK, type Readiness } from '../../core/queue/readiness.ts'

export function createHealthRoutes(readiness: { check(): Promise<Readiness> }): Router {
  const router = Router()
  router.use(['/livez', '/readyz'], (_req, res, next) => {
    res.set('Cache-Control', 'no-store')
    next()
  })
  router.get('/livez', (_req, res) => void res.json({ status: 'ok' }))
  router.get('/readyz', async (_req, res) => {
    const { checks, warnings } = await readiness.check()
    const ready = Object.values(checks).every((result) => result === OK)
    res.status(ready ? 200 : 503).json({
      status: ready ? 'ok' : 'unavailable',
      checks,
      ...(Object.keys(warnings).length > 0 && { warnings }),
    })
  })
  return router
}
