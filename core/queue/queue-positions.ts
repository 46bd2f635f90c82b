/** Where waiting requests stand in their queues: read once, or followed for watched requests. */

import type { Catalog } from '../catalog/catalog.ts'
import type { Service } from '../catalog/service-definition.ts'
import type { PublicView } from '../domain/record.ts'
import { expectedRange, type QueueHold, type QueuePace, type Waiting } from '../domain/waiting.ts'
import type { Queues } from './queues.ts'

type Queued = Pick<PublicView, 'hash' | 'status' | 'service_slug' | 'run_at'>

export interface QueuePositions {
  /** Null when it does not wait. */
  read(request: Queued): Promise<Waiting | null>
  /** Calls back again and again; returns the way to stop. */
  follow(request: Queued, onRead: (waiting: Waiting | null) => void): () => void
  /** Of a request whose position is known. */
  describe(request: Pick<Queued, 'run_at'>, service: Service, position: number | null): Waiting
}

const EVERY_MS = 1000
/** Per second, by a command for each 250 of a queue. With more followed requests each is read less often. */
const MAX_AT_ONCE = 500

export function createQueuePositions({
  queues,
  catalog,
  paceOf = () => ({ total: null, queueSeconds: null }),
  holdOf = () => null,
  now = Date.now,
}: {
  queues: Pick<Queues, 'position'>
  catalog: Pick<Catalog, 'find'>
  /** Default: nothing is expected. */
  paceOf?: (service: Service) => QueuePace
  /** By the name of the queue. Default: no queue is held. */
  holdOf?: (queue: string) => QueueHold | null
  now?: () => number
}): QueuePositions {
  /** In the order of their last read, the longest ago first. */
  const followed = new Map<Queued, (waiting: Waiting | null) => void>()
  let isRunning = false

  async function read(request: Queued): Promise<Waiting | null> {
    const { hash, status, service_slug, run_at } = request
    const service = status === 'pending' ? catalog.find(service_slug) : undefined
    if (!service) return null
    const isDue = run_at === null || Date.parse(run_at) <= now()
    return describe(request, service, isDue ? await queues.position(hash, service.queue) : null)
  }

  const describe: QueuePositions['describe'] = (request, service, position) => ({
    position,
    hold: position === null ? null : holdOf(service.queue.name),
    range: expectedRange(request, position, paceOf(service), now()),
  })

  /** All in one event-loop tick, and so in one round trip. */
  async function lookUp(): Promise<void> {
    const turn = [...followed.keys()].slice(0, MAX_AT_ONCE)
    for (const request of turn) {
      const onRead = followed.get(request) as (waiting: Waiting | null) => void
      followed.delete(request)
      followed.set(request, onRead)
    }
    await Promise.all(
      // After an error the last position stays.
      turn.map((request) =>
        read(request).then(
          (waiting) => followed.get(request)?.(waiting),
          () => {},
        ),
      ),
    )
    isRunning = false
    run()
  }

  function run(): void {
    if (isRunning || followed.size === 0) return
    isRunning = true
    setTimeout(lookUp, EVERY_MS).unref()
  }

  return {
    read,
    describe,
    follow({ hash, status, service_slug, run_at }, onRead) {
      const request = { hash, status, service_slug, run_at }
      followed.set(request, onRead)
      run()
      return () => void followed.delete(request)
    },
  }
}
