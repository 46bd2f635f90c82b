/** Where a watcher gets the place in the queue from. It moves without a new version of the record. */
import type { PublicView } from '../domain/record.ts'

export interface QueuePositionSource {
  /** 1 is next; null when the request does not wait in a queue. */
  read(request: PublicView): Promise<number | null>
  /** Calls back with each new place; returns the way to stop. */
  follow(request: PublicView, onMove: (place: number | null) => void): () => void
}
