/** What people do, and what they saw, as sent between the script and the processes that stand for people. */

/** Services, each with a queue of the same name. By the slots of their names each third of a Cluster has two. */
export const SLUGS = ['fines', 'pension', 'credit', 'cards', 'licences', 'permits'] as const

export interface Load {
  requestsPerSecond: number
  seconds: number
  /** Of a request, beside its start and its end. */
  updates: number
  everyMs: number
}

export interface Seen {
  hashes: string[]
  /** Submits that were refused or not answered, and sent again. */
  resubmits: number
  /** Requests that needed a further attempt. */
  retried: number
  /** Versions written. */
  updates: number
  /** Milliseconds from a write until a watcher had it, of each update that was pushed. */
  late: number[]
  /** Milliseconds from a submit to its end. */
  took: number[]
  /** Requests that did not complete, and watchers that did not see it. */
  lost: string[]
}

export function addSeen(all: readonly Seen[]): Seen {
  const sum = (of: (seen: Seen) => number): number => all.reduce((total, seen) => total + of(seen), 0)
  return {
    hashes: all.flatMap((seen) => seen.hashes),
    resubmits: sum((seen) => seen.resubmits),
    retried: sum((seen) => seen.retried),
    updates: sum((seen) => seen.updates),
    late: all.flatMap((seen) => seen.late),
    took: all.flatMap((seen) => seen.took),
    lost: all.flatMap((seen) => seen.lost),
  }
}
