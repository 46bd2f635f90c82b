/** The services that are known: from bots' announcements (core/store/live-catalog.ts), or a fixed list. */
import type { ServiceQueue } from './queue-definition.ts'
import type { Service } from './service-definition.ts'

export interface Catalog {
  /** In the order of their slugs. */
  all(): readonly Service[]
  find(slug: string): Service | undefined
  /** Whether no bot has announced it for a minute: its requests wait. */
  isSilent(slug: string): boolean
  /** Whether all its bots are stopping or have stopped, so that none accepts requests. */
  isStopping(slug: string): boolean
  /** How many requests its bots run at once; null where no bot has announced itself. */
  capacityOf(slug: string): number | null
  /** The name of the token that announced the service first; undefined for an unknown service. */
  ownerOf(slug: string): string | undefined
}

/** @param owners by slug */
export function createCatalog(
  services: readonly Service[],
  owners: ReadonlyMap<string, string> = new Map(),
): Catalog {
  const sorted = [...services].sort((a, b) => (a.slug < b.slug ? -1 : 1))
  const bySlug = new Map(sorted.map((service) => [service.slug, service]))
  return {
    all: () => sorted,
    find: (slug) => bySlug.get(slug),
    isSilent: () => false,
    isStopping: () => false,
    capacityOf: () => null,
    ownerOf: (slug) => owners.get(slug),
  }
}

/** By the services of a catalogue, which are another list once one has changed. */
const collected = new WeakMap<readonly Service[], readonly ServiceQueue[]>()

/** Every queue that some service uses. Where services state different limits for one queue, the strictest hold. */
export function queuesOf(catalog: Catalog): readonly ServiceQueue[] {
  const services = catalog.all()
  const queues = collected.get(services) ?? collectQueues(services)
  collected.set(services, queues)
  return queues
}

function collectQueues(services: readonly Service[]): ServiceQueue[] {
  const queues = new Map<string, ServiceQueue>()
  for (const { queue } of services) {
    const present = queues.get(queue.name)
    queues.set(queue.name, present ? strictest(present, queue) : queue)
  }
  return [...queues.values()]
}

function strictest(a: ServiceQueue, b: ServiceQueue): ServiceQueue {
  const concurrency = Math.min(
    a.concurrency ?? Number.POSITIVE_INFINITY,
    b.concurrency ?? Number.POSITIVE_INFINITY,
  )
  const perSecond = ({ rate }: ServiceQueue): number =>
    rate ? rate.requests / rate.seconds : Number.POSITIVE_INFINITY
  const rate = perSecond(a) <= perSecond(b) ? a.rate : b.rate
  const lanes = Math.max(a.lanes ?? 1, b.lanes ?? 1)
  return {
    name: a.name,
    ...(Number.isFinite(concurrency) && { concurrency }),
    ...(rate && { rate }),
    ...(lanes > 1 && { lanes }),
  }
}
