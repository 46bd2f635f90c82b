/**
 * Keys and messages that callers and processors of the redis driver share. A job is only an id: arguments and results may be
 * confidential, and are stored in keys that expire.
 */

export const QUEUE = 'tasks'
export type ConcurrencyNames = ReturnType<typeof createConcurrencyNames>

/** @param prefix with or without a colon at its end; in a Cluster it is the hash tag, so that all keys share one slot */
export function createConcurrencyNames(prefix: string, { isCluster = false } = {}) {
  const base = prefix.replace(/:+$/, '')
  const scope = isCluster ? `{${base}}` : base
  return {
    /** BullMQ's prefix. */
    queues: scope,
    /** A TaskMessage, until the task has ended. */
    task: (id: string): string => `${scope}:task:${id}`,
    /** A list of TaskReplies, read by the caller. */
    replies: (caller: string): string => `${scope}:mailbox:${caller}`,
    /** Exists while the caller lives. */
    lease: (caller: string): string => `${scope}:lease:${caller}`,
    /** Exists once the caller has aborted the task. */
    aborted: (id: string): string => `${scope}:aborted:${id}`,
    /** Exists while at least one processor runs. */
    processors: `${scope}:processors`,
  }
}

export interface TaskMessage {
  name: string
  /** JSON. */
  args: string
  /** Null for a detached task: it gets no reply. */
  caller: string | null
  /** Seconds; 0 for no limit. */
  timeout: number
}

export type TaskReply = { id: string; progress: number } | { id: string; outcome: string }

/** A caller whose lease was not renewed for this long counts as dead. */
export const LEASE_MS = 6_000
export const RENEW_INTERVAL_MS = 2_000
/** How long replies that are not read are stored. */
export const REPLY_TTL_MS = 60_000
/** How long a task may wait; its own timeout is added. */
export const TASK_TTL_MS = 3_600_000
