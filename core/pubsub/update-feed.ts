/**
 * How a process receives the messages of requests: over plain channels of Redis, over sharded ones of a Cluster, or over NATS.
 * What follows requests knows no difference between them.
 */
import type { ChannelListener } from './channel-listener.ts'
import type { Health } from './subscriber-health.ts'

export interface UpdateFeed {
  /**
   * Each message is delivered at most once. From the moment it resolves, the listener receives every message, or `onGap` after
   * each time in which one may have been lost. So it must read the record once `listen` has resolved, and again on every
   * `onGap`: then it misses nothing, whatever happens to connections and processes on the way.
   *
   * @returns the function that stops it, once the subscription is confirmed; waits while the way is interrupted
   */
  listen(hash: string, listener: ChannelListener): Promise<() => void>
  /** Whether published messages arrive. */
  readonly health: Health
  stop(): void
}
