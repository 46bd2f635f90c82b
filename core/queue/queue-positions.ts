/** Queue positions of waiting requests: read once, or followed for watched requests. */

import type { Catalog } from '../catalog/catalog.ts'
import type { PublicView } from '../domain/record.ts'
import type { Queues } from './queues.ts'

type Queued = Pick<PublicView, 'hash' | 'status' | 'service_slug' | 'run_at'>

export interface QueuePositions {
  /** 1 is next; null when it does not wait in a queue. */
  read(request: Queued): Promise<number | null>
  /** Calls back with each new place; returns the way to stop. */
  follow(request: Queued, onMove: (place: number | null) => void): () => void
}

const EVERY_MS = 1000
/** Per second, three short commands each. With more followed requests each is read less often. */
const MAX_AT_ONCE = 500

export function createQueuePositions({
  queues,
  catalog,
  now = Date.now,
}: {
  queues: Pick<Queues, 'position'>
  catalog: Pick<Catalog, 'find'>
  now?: () => number
}): QueuePositions {
  /** In the order of their last read, the longest ago first. */
  const followed = new Map<Queued, (place: number | null) => void>()
  let isRunning = false

  async function read({ hash, status, service_slug, run_at }: Queued): Promise<number | null> {
    const isDue = run_at === null || Date.parse(run_at) <= now()
    const queue = status === 'pending' && isDue ? catalog.find(service_slug)?.queue : undefined
    return queue ? queues.position(hash, queue) : null
  }

  /** All in one event-loop tick, and so in one round trip. */
  async function lookUp(): Promise<void> {
    const turn = [...followed.keys()].slice(0, MAX_AT_ONCE)
    for (const request of turn) {
      const onMove = followed.get(request) as (place: number | null) => void
      followed.delete(request)
      followed.set(request, onMove)
    }
    await Promise.all(
      // After an error the last position stays.
      turn.map((request) =>
        read(request).then(
          (place) => followed.get(request)?.(place),
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
    follow({ hash, status, service_slug, run_at }, onMove) {
      const request = { hash, status, service_slug, run_at }
      followed.set(request, onMove)
      run()
      return () => void followed.delete(request)
    },
  }
}
