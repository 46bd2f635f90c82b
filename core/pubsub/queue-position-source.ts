/** Where a watcher gets queue positions from. They change without a new version of the record. */
import type { PublicView } from '../domain/record.ts'

export interface QueuePositionSource {
  /** 1 is next; null when the request does not wait in a queue. */
  read(request: PublicView): Promise<number | null>
  /** Calls back with each new position. Returns the function that stops it. */
  follow(request: PublicView, onMove: (queuePosition: number | null) => void): () => void
}
