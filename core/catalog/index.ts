/** The catalogue of services. A new service is one file beside this one, named here, and one folder at the bots. */
import { accountStatement } from './account-statement.ts'
import { creditScoreRating } from './credit-score-rating.ts'
import type { Service } from './define-service.ts'
import { linkCheck } from './link-check.ts'
import type { ServiceQueue } from './queue-definitions.ts'
import { threeProviderInquiry } from './three-provider-inquiry.ts'

const services: ReadonlyMap<string, Service> = new Map(
  [creditScoreRating, accountStatement, threeProviderInquiry, linkCheck].map((service) => [
    service.slug,
    service,
  ]),
)

export const allServices = (): Service[] => [...services.values()]
export const findService = (slug: string): Service | undefined => services.get(slug)
/** Every queue that some service uses. */
export const allQueues = (): ServiceQueue[] => [...new Set(allServices().map((service) => service.queue))]
