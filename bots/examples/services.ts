/** The example services. A new one is a folder here and an entry below; `portal/` is shared by several. */
import type { BotService } from '../bot-server/define-service.ts'
import { createService as accountStatement } from './account-statement/index.ts'
import { createService as creditScoreRating } from './credit-score-rating/index.ts'
import { createService as linkCheck } from './link-check/index.ts'
import type { ExampleSettings } from './settings.ts'
import { createService as threeProviderInquiry } from './three-provider-inquiry/index.ts'

export const createServices = (settings: ExampleSettings): BotService[] =>
  [accountStatement, creditScoreRating, linkCheck, threeProviderInquiry].map((create) => create(settings))
