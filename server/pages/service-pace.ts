/** What a request of a service takes, for its form and its pages: from its last runs, or else as its definition says. */
import type { Catalog } from '../../core/catalog/catalog.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import type { ServiceEstimate } from '../../core/domain/arrival.ts'
import type { QueuePace } from '../../core/domain/waiting.ts'
import type { ServicePace } from '../../core/presentation/arrival-text.ts'

/** As a definition without a duration. */
const UNKNOWN_SECONDS = 60

/** How many requests the bots of a service, and the workers of a queue, take at once; null when unknown. */
export interface Capacities {
  capacityOf: Catalog['capacityOf']
  slotsOf(queue: string): number | null
}

export function servicePace(
  service: Service | undefined,
  estimate: ServiceEstimate | null,
  capacities: Capacities,
): ServicePace {
  const steps = (service?.steps ?? []).flatMap(({ id, usual_seconds }): [string, number][] => {
    const seconds = estimate?.usual[id] ?? usual_seconds
    return seconds === undefined ? [] : [[id, seconds]]
  })
  return {
    typical: estimate?.typical ?? service?.usual_seconds ?? UNKNOWN_SECONDS,
    steps: Object.fromEntries(steps),
    leastAfter: estimate?.leastAfter,
    ...queuePace(service, estimate, capacities),
  }
}

export const queuePace = (
  service: Service | undefined,
  estimate: ServiceEstimate | null,
  capacities: Capacities,
): QueuePace => ({
  total: estimate?.total ?? null,
  queueSeconds: service && estimate ? queueSeconds(service, estimate.typical, capacities) : null,
})

/** Its bots together, the workers, or the limits of its queue decide how soon the next request starts. */
function queueSeconds(
  { slug, queue: { name, concurrency, rate } }: Service,
  typical: number,
  { capacityOf, slotsOf }: Capacities,
): number | null {
  const capacity = capacityOf(slug)
  if (capacity === null) return null
  const atOnce = Math.min(capacity, ...[concurrency, slotsOf(name)].map((limit) => limit ?? Infinity))
  return Math.max(typical / atOnce, rate ? rate.seconds / rate.requests : 0)
}
