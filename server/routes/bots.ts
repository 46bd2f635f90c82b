/** `/api/bots`: what bots call, with a token. */
import { Router } from 'express'
import { requireBotToken } from '../middleware/bot-token.ts'
import { type BotServiceDeps, createBotServiceRoutes } from './bot-services.ts'

export function createBotRoutes({
  tokens,
  ...deps
}: BotServiceDeps & { tokens: ReadonlyMap<string, string> }): Router {
  const router = Router()
  router.use(requireBotToken(tokens))
  router.use('/services', createBotServiceRoutes(deps))
  return router
}
