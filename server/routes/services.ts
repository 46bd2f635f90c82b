/** `GET /api/services`: the catalogue, for programs that build their own forms. */
import { Router } from 'express'
import type { Catalog } from '../../core/catalog/catalog.ts'
import { describeField } from '../../core/catalog/field-definition.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import type { LiveControls } from '../../core/store/operator-controls.ts'
import { methodNotAllowed } from '../middleware/errors.ts'

export function createServiceRoutes(
  catalog: Pick<Catalog, 'all'>,
  controls: Pick<LiveControls, 'current'>,
): Router {
  const router = Router()
  const describe = (service: Service) => ({
    slug: service.slug,
    title: service.title,
    description: service.description,
    icon: service.icon,
    fields: service.fields.map(describeField),
    steps: service.steps,
    result: service.result,
    estimated_duration: service.usual_seconds,
    asks_for_code: service.asks_for_code,
    is_closed: controls.current().closed.has(service.slug),
    is_held: controls.current().held.has(service.queue.name),
    form_url: `/services/${service.slug}`,
  })
  router
    .route('/')
    .get((_req, res) => void res.json({ services: catalog.all().map(describe) }))
    .all(methodNotAllowed('GET', 'HEAD'))
  return router
}
