/** `/api/bots`: what bots call, with a token. */
import { Router } from 'express'
import { requireBotToken } from '../middleware/bot-token.ts'
import { type BotRequestDeps, createBotRequestRoutes } from './bot-requests.ts'
import { type BotServiceDeps, createBotServiceRoutes } from './bot-services.ts'

export interface BotRouteDeps extends BotServiceDeps, BotRequestDeps {
  /** By the name of the bot. */
  tokens: ReadonlyMap<string, readonly string[]>
}

export function createBotRoutes({ tokens, ...deps }: BotRouteDeps): Router {
  const router = Router()
  router.use(requireBotToken(tokens))
  router.use('/services', createBotServiceRoutes(deps))
  router.use('/requests', createBotRequestRoutes(deps))
  return router
}
