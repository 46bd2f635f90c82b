/** `PUT /api/bots/services/{slug}`: a bot announces a service, every 15 s. */
import { Router } from 'express'
import { z } from 'zod'
import { AppError } from '../../core/domain/errors.ts'
import { isAllowedAddress } from '../../core/runtime/bot-addresses.ts'
import { ANNOUNCE_EVERY_MS, type ServiceRegistry } from '../../core/store/service-registry.ts'
import { withStorageErrors } from '../../core/store/storage-errors.ts'
import { botOf } from '../middleware/bot-token.ts'
import { methodNotAllowed } from '../middleware/errors.ts'
import { jsonBody, readObject } from './parse-json.ts'
import { parseWith } from './parse-with.ts'

const MAX_BYTES = 256 * 1024

const announcement = z.strictObject({
  address: z.string().max(300).optional(),
  concurrency: z.number().int().min(1).max(10_000).default(1),
  draining: z.boolean().default(false),
})

export interface BotServiceDeps {
  registry: Pick<ServiceRegistry, 'announce'>
  /** BOT_ADDRESSES. */
  addresses: readonly string[]
}

export function createBotServiceRoutes({ registry, addresses }: BotServiceDeps): Router {
  const router = Router()
  router
    .route('/:slug')
    .put(...jsonBody(MAX_BYTES), async (req, res) => {
      const { definition: given, ...fields } = readObject(req.body)
      const { address, concurrency, draining } = parseWith(announcement, fields, 'invalid_definition')
      if (address !== undefined && !isAllowedAddress(address, addresses))
        throw invalid('address', 'must be http://host:port within BOT_ADDRESSES')
      const definition = readObject(given, 'definition')
      if (definition.slug !== req.params.slug)
        throw invalid('definition.slug', 'must be the slug in the address of the call')
      const bot =
        address === undefined ? undefined : { address: new URL(address).origin, concurrency, draining }
      const standing = await withStorageErrors(() =>
        registry.announce({ definition, owner: botOf(res), bot }),
      )
      res.set('Cache-Control', 'no-store')
      res.json({ slug: req.params.slug, standing, announce_again_in: ANNOUNCE_EVERY_MS / 1000 })
    })
    .all(methodNotAllowed('PUT'))
  return router
}

const invalid = (field: string, reason: string): AppError =>
  new AppError('validation_failed', { errors: [{ field, code: 'invalid_definition', params: { reason } }] })
