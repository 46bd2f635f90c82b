/** The services of the tests. They belong to no bot: a test that needs one running brings its own. */
import { createCatalog } from '../../core/catalog/catalog.ts'
import { parseService, type Service, type ServiceDefinition } from '../../core/catalog/service-definition.ts'
import { definition as accountStatementDefinition } from './services/account-statement.ts'
import { definition as creditScoreDefinition } from './services/credit-score-rating.ts'
import { definition as linkCheckDefinition } from './services/link-check.ts'
import { definition as threeProviderDefinition } from './services/three-provider-inquiry.ts'

/** @throws Error with all that is wrong */
export function toService(definition: ServiceDefinition): Service {
  const parsed = parseService(definition)
  if (!parsed.ok) throw new Error(parsed.errors.join('\n'))
  return parsed.service
}

export const definitions = [
  creditScoreDefinition,
  accountStatementDefinition,
  threeProviderDefinition,
  linkCheckDefinition,
] as const
export const creditScoreRating = toService(creditScoreDefinition)
export const accountStatement = toService(accountStatementDefinition)
export const threeProviderInquiry = toService(threeProviderDefinition)
export const linkCheck = toService(linkCheckDefinition)

export const catalog = createCatalog([creditScoreRating, accountStatement, threeProviderInquiry, linkCheck])
