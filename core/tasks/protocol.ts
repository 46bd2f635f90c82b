/**
 * The names that callers and processors of the redis driver share, and what they tell each other. A job is no more than an
 * id: what a task is given and what comes back may be somebody's secret, and lies in keys that end.
 */

export const QUEUE = 'tasks'
export type ConcurrencyNames = ReturnType<typeof createConcurrencyNames>

/** @param prefix ends with a colon or gets one; in a Cluster all of it lies in one slot */
export function createConcurrencyNames(prefix: string, { isCluster = false } = {}) {
  const base = prefix.replace(/:+$/, '')
  const own = isCluster ? `{${base}}` : base
  return {
    /** BullMQ's prefix. */
    queues: own,
    /** What a task is given, until it has ended. */
    task: (id: string): string => `${own}:task:${id}`,
    /** How tasks of a caller go on and end, a list that the caller empties. */
    replies: (caller: string): string => `${own}:mailbox:${caller}`,
    /** There as long as the caller lives. */
    lease: (caller: string): string => `${own}:lease:${caller}`,
    /** There when its caller has given a task up. */
    aborted: (id: string): string => `${own}:aborted:${id}`,
    /** There as long as some processor takes tasks. */
    processors: `${own}:processors`,
  }
}

/** What a task is given. */
export interface TaskMessage {
  name: string
  /** JSON. */
  args: string
  /** Null for one that nobody waits for. */
  caller: string | null
  /** Seconds; 0 for no limit. */
  timeout: number
}

/** What comes back. */
export type TaskReply = { id: string; progress: number } | { id: string; outcome: string }

/** A caller that has not been heard of for so long is gone. */
export const LEASE_MS = 6_000
export const RENEW_EVERY_MS = 2_000
/** What nobody fetches is gone after so long. */
export const REPLY_TTL_MS = 60_000
/** A task that waits for longer than this beside its own time is none. */
export const TASK_TTL_MS = 3_600_000
