/** Health checks: `/livez` says whether the process is up, `/readyz` whether requests can be served end to end. */
import { Router } from 'express'
import type { Fault } from '../../core/domain/fault.ts'
import { describeInEnglish } from '../../core/presentation/describe-fault.ts'
import type { Readiness } from '../../core/queue/readiness.ts'

export function createHealthRoutes(readiness: { check(): Promise<Readiness> }): Router {
  const router = Router()
  router.use(['/livez', '/readyz'], (_req, res, next) => {
    res.set('Cache-Control', 'no-store')
    next()
  })
  router.get('/livez', (_req, res) => void res.json({ status: 'ok' }))
  router.get('/readyz', async (_req, res) => {
    const { checks, warnings } = await readiness.check()
    const ready = Object.values(checks).every((faults) => faults.length === 0)
    res.status(ready ? 200 : 503).json({
      status: ready ? 'ok' : 'unavailable',
      checks: describeEach(checks),
      ...(Object.keys(warnings).length > 0 && { warnings: describeEach(warnings) }),
    })
  })
  return router
}

/** `ok`, or what is wrong in a sentence. */
const describeEach = (faults: Readonly<Record<string, readonly Fault[]>>): Record<string, string> =>
  Object.fromEntries(Object.entries(faults).map(([name, some]) => [name, describeInEnglish(some) || 'ok']))
