/** Where a watcher gets queue positions from. They change without a new version of the record. */
import type { PublicView } from '../domain/record.ts'
import type { Waiting } from '../domain/waiting.ts'

export interface QueuePositionSource {
  /** Null when the request does not wait. */
  read(request: PublicView): Promise<Waiting | null>
  /** Calls back again and again. Returns the function that stops it. */
  follow(request: PublicView, onRead: (waiting: Waiting | null) => void): () => void
}
