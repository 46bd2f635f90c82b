/** What operators do with queues and services, by the command line and the console. */
import { type Catalog, queuesOf } from '../catalog/catalog.ts'
import type { ServiceQueue } from '../catalog/queue-definition.ts'
import { AppError } from '../domain/errors.ts'
import type { Queues } from '../queue/queues.ts'
import { type ChosenLimits, type ControlStore, withLimits } from '../store/operator-controls.ts'

export interface Operate {
  /** Starts no job of the queue until it is resumed; requests are still accepted. @throws AppError `not_found`, as all of these */
  hold(queue: string, message?: string): Promise<void>
  resume(queue: string): Promise<void>
  /** Null restores the limits of the definition. @returns what holds now */
  limit(queue: string, limits: ChosenLimits | null): Promise<ServiceQueue>
  /** Accepts no request of the service until it is opened; those that exist go on. */
  close(slug: string, message?: string): Promise<void>
  open(slug: string): Promise<void>
}

/** The longest text of an operator that a form shows. */
export const MAX_OPERATOR_MESSAGE = 300

export function createOperate({
  catalog,
  queues,
  controls,
}: {
  catalog: Catalog
  queues: Pick<Queues, 'pause' | 'resume' | 'setLimits'>
  controls: ControlStore
}): Operate {
  function findQueue(name: string): ServiceQueue {
    const known = queuesOf(catalog)
    const found = known.find((queue) => queue.name === name)
    if (found) return found
    throw new AppError('not_found', {
      detail: unknown(
        'queue',
        name,
        known.map((queue) => queue.name),
      ),
    })
  }
  function requireService(slug: string): void {
    const known = catalog.all().map((service) => service.slug)
    if (!known.includes(slug)) throw new AppError('not_found', { detail: unknown('service', slug, known) })
  }

  return {
    async hold(name, message) {
      findQueue(name)
      await controls.hold(name, toMessage(message))
      await queues.pause(name)
    },
    async resume(name) {
      findQueue(name)
      await queues.resume(name)
      await controls.resume(name)
    },
    async limit(name, limits) {
      const queue = findQueue(name)
      requireForLanes(queue, limits)
      await controls.setLimits(name, limits)
      const limited = withLimits(queue, await controls.read())
      await queues.setLimits(limited)
      return limited
    },
    async close(slug, message) {
      requireService(slug)
      await controls.close(slug, toMessage(message))
    },
    async open(slug) {
      requireService(slug)
      await controls.open(slug)
    },
  }
}

/** The limits are split among the lanes of a queue. @throws AppError `invalid_parameter` */
function requireForLanes({ lanes = 1 }: ServiceQueue, limits: ChosenLimits | null): void {
  const least = Math.min(limits?.concurrency ?? lanes, limits?.rate?.requests ?? lanes)
  if (least < lanes)
    throw new AppError('invalid_parameter', {
      detail: `The queue has ${lanes} lanes, so that ${lanes} is the lowest limit.`,
    })
}

/** One paragraph without control characters; null for no text. */
const toMessage = (text = ''): string | null =>
  text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, MAX_OPERATOR_MESSAGE) || null

const unknown = (kind: string, name: string, known: readonly string[]): string =>
  `There is no ${kind} "${name.slice(0, 64)}"; there are: ${known.join(', ') || 'none'}.`
