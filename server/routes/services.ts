/** `GET /api/services`: the catalogue, for programs that build their own forms. */
import { Router } from 'express'
import { allServices } from '../../core/catalog/index.ts'
import { methodNotAllowed } from '../middleware/errors.ts'

export function createServiceRoutes(): Router {
  const router = Router()
  const catalogue = allServices().map((service) => ({
    slug: service.slug,
    title: service.title,
    description: service.description,
    fields: service.fields.map(({ name, type, label, hint }) => ({
      name,
      type,
      label,
      hint,
      required: true,
    })),
    steps: service.steps,
    estimated_duration: service.estimatedSeconds,
    asks_for_code: service.usesOtp,
    form_url: `/services/${service.slug}`,
  }))
  router
    .route('/')
    .get((_req, res) => void res.json({ services: catalogue }))
    .all(methodNotAllowed('GET', 'HEAD'))
  return router
}
