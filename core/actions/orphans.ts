/**
 * What belongs to nobody (any more): entries of lists whose record is gone, jobs that nothing needs, keys that would
 * live for ever. Nothing of the kind is left by Halfway itself while all goes well; killed processes, foreign programs
 * and a Redis that came back from an old copy may.
 */
import { Cluster, type Redis } from 'ioredis'
import { nullIfUnreadable } from '../domain/errors.ts'
import { isFinal } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import type { QueueStats } from '../queue/queue-stats.ts'
import type { Queues } from '../queue/queues.ts'
import type { RedisClient } from '../redis/connect.ts'
import { existing } from '../redis/existing.ts'
import { findEndless } from '../redis/scripts.ts'
import type { RequestStore } from '../store/request-store.ts'

export interface Orphans {
  /** Hashes in the list of requests whose record is gone. */
  list_entries: string[]
  /** Hashes in the reminders whose record is gone. */
  reminders: string[]
  /** Jobs that nobody works on, of requests that are gone or final. */
  jobs: { queue: string; hash: string }[]
  /** Keys that have no end: records, code boxes, guards, idempotency keys, and what BullMQ keeps of jobs it lost. */
  keys: string[]
}

/** So many are asked for together: their commands leave in one write. */
const AT_ONCE = 1_000

export function createOrphans({
  redis,
  store,
  queues,
  census,
}: {
  redis: RedisClient
  store: Pick<RequestStore, 'read'>
  queues: Pick<Queues, 'remove'>
  census: Pick<QueueStats, 'unlockedJobs'>
}) {
  const { names } = redis
  async function isFinished(hash: string): Promise<boolean> {
    const stored = await store.read(hash).catch(nullIfUnreadable)
    // An unreadable record may still be repaired.
    return stored !== null && isFinal(stored.record.status)
  }

  /** Keys of ours that should have an end and have none. */
  async function endlessKeys(known: ReadonlySet<string>): Promise<string[]> {
    const found: string[] = []
    for (const node of redis instanceof Cluster ? redis.nodes('master') : [redis as Redis]) {
      for (const pattern of new Set([`${names.record('')}*`, `${names.own}*`, `${names.queues}:*`])) {
        for await (const keys of node.scanStream({
          match: escapeGlob(pattern),
          count: 2_500,
        }) as AsyncIterable<string[]>) {
          const ours = keys.filter((key) => isOfOneRequest(key) && !known.has(key))
          found.push(...(await filterAsync(await withoutEnd(ours), staysEndless)))
        }
      }
    }
    return [...new Set(found)]
  }

  /** In a Cluster one script must not name keys of several slots. */
  async function withoutEnd(keys: readonly string[]): Promise<readonly string[]> {
    if (keys.length === 0) return keys
    if (redis instanceof Cluster) return filterAsync(keys, isEndless)
    return findEndless(redis, keys)
  }

  const isEndless = async (key: string): Promise<boolean> => (await redis.pttl(key)) === -1

  async function staysEndless(key: string): Promise<boolean> {
    const hash = key.slice(names.record('').length)
    if (!isRequestHash(hash)) return true
    // Another program's plain SET took a record's end away: whoever reads it gives it back, unless it is nonsense.
    await store.read(hash).catch(nullIfUnreadable)
    return isEndless(key)
  }

  const isOfOneRequest = (key: string): boolean => {
    if (key.startsWith(names.record(''))) return isRequestHash(key.slice(names.record('').length))
    return /^(?:otp|backup|idempotency):|:req_[\w-]+$/.test(key.slice(names.own.length))
  }

  return {
    async find(): Promise<Orphans> {
      const idle = await census.unlockedJobs()
      const jobs = [...idle].flatMap(([queue, hashes]) => hashes.map((hash) => ({ queue, hash })))
      const held = new Set<string>()
      for (const { queue, hash } of jobs) held.add(`${names.queues}:${queue}:${hash}`)
      for (const queue of idle.keys())
        for (const hash of await redis.lrange(`${names.queues}:${queue}:active`, 0, -1))
          held.add(`${names.queues}:${queue}:${hash}`)
      const [listed, reminded] = await Promise.all([
        redis.lrange(names.list, 0, -1),
        redis.zrange(names.deadlines, '0', '-1'),
      ])
      const hashes = new Set([...listed, ...reminded, ...jobs.map(({ hash }) => hash)])
      const records = await existing(redis, [...hashes].map(names.record))
      const isGone = (hash: string): boolean => !records.has(names.record(hash))
      return {
        list_entries: [...new Set(listed)].filter(isGone),
        reminders: reminded.filter(isGone),
        jobs: await filterAsync(jobs, async ({ hash }) => isGone(hash) || isFinished(hash)),
        keys: await endlessKeys(held),
      }
    },

    async remove(orphans: Orphans): Promise<void> {
      await inBatches(orphans.list_entries, (hash) => redis.lrem(names.list, 0, hash))
      await inBatches(orphans.reminders, (hash) => redis.zrem(names.deadlines, hash))
      await inBatches(orphans.jobs, ({ queue, hash }) => queues.remove(hash, { name: queue }))
      await inBatches(orphans.keys, (key) => redis.del(key))
    },
  }
}

async function filterAsync<T>(
  all: readonly T[],
  isWanted: (one: T) => boolean | Promise<boolean>,
): Promise<T[]> {
  const answers = await inBatches(all, isWanted)
  return all.filter((_, i) => answers[i])
}

async function inBatches<T, R>(all: readonly T[], work: (one: T) => R | Promise<R>): Promise<R[]> {
  const done: R[] = []
  for (let from = 0; from < all.length; from += AT_ONCE)
    done.push(...(await Promise.all(all.slice(from, from + AT_ONCE).map(work))))
  return done
}

/** Braces, brackets and stars in a prefix mean themselves. */
const escapeGlob = (pattern: string): string => `${pattern.slice(0, -1).replace(/[[\]{}*?\\^]/g, '\\$&')}*`
