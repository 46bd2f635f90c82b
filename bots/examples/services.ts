/** The bot services by slug. A new service is a folder here and an entry below; `portal/` is shared by several. */
import type { BotSettings, CreateHandler, Handle } from '../bot-server/define-service.ts'
import { createHandler as accountStatement } from './account-statement/index.ts'
import { createHandler as creditScoreRating } from './credit-score-rating/index.ts'
import { createHandler as linkCheck } from './link-check/index.ts'
import { createHandler as threeProviderInquiry } from './three-provider-inquiry/index.ts'

const SERVICES: Record<string, CreateHandler> = {
  'account-statement': accountStatement,
  'credit-score-rating': creditScoreRating,
  'link-check': linkCheck,
  'three-provider-inquiry': threeProviderInquiry,
}

export const createHandlers = (settings: BotSettings): ReadonlyMap<string, Handle> =>
  new Map(Object.entries(SERVICES).map(([slug, create]) => [slug, create(settings)]))
