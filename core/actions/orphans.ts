/**
 * Finds and removes what no request needs any more: list entries and checks without a record, jobs of finished requests,
 * keys that would never expire. They are left by killed processes, foreign programs and a Redis restored from an old copy.
 */
import { Cluster, type Redis } from 'ioredis'
import { nullIfUnreadable } from '../domain/errors.ts'
import { isFinal } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import type { QueueStats } from '../queue/queue-stats.ts'
import type { Queues } from '../queue/queues.ts'
import type { RedisClient } from '../redis/connect.ts'
import { findExistingKeys } from '../redis/existing.ts'
import { findEndless } from '../redis/scripts.ts'
import { scanSortedSet, sliceList } from '../redis/slices.ts'
import type { RequestStore } from '../store/request-store.ts'

export interface Orphans {
  /** Hashes in the list of requests without a record. */
  list_entries: string[]
  /** Hashes in the deadline index without a record. */
  reminders: string[]
  /** Jobs that do not run, of requests that are missing or final. */
  jobs: { queue: string; hash: string }[]
  /** Keys without an expiry: records, codes, pictures, push subscriptions, timelines, backups, Idempotency-Keys, and what BullMQ left of lost jobs. */
  keys: string[]
}

/** Of a job: its queue and its id. */
const JOB_KEY = /:([^:{}]+):(req_[\w-]+)$/
/** Commands that are sent in one write. */
const BATCH_SIZE = 1_000

interface Context {
  redis: RedisClient
  store: Pick<RequestStore, 'read'>
  queues: Pick<Queues, 'remove'>
  queueStats: Pick<QueueStats, 'unlockedJobs' | 'jobState'>
}

export function createOrphans(context: Context) {
  const { redis, queues } = context
  const { names } = redis
  return {
    find: (): Promise<Orphans> => findOrphans(context),
    async remove(orphans: Orphans): Promise<void> {
      await inBatches(orphans.list_entries, (hash) => redis.lrem(names.list, 0, hash))
      await inBatches(orphans.reminders, (hash) => redis.zrem(names.deadlines, hash))
      await inBatches(orphans.jobs, ({ queue, hash }) => queues.remove(hash, { name: queue }))
      await inBatches(orphans.keys, (key) => redis.del(key))
    },
  }
}

async function findOrphans(context: Context): Promise<Orphans> {
  const { redis, queueStats } = context
  const { names } = redis
  const idle = await queueStats.unlockedJobs()
  const jobs = [...idle].flatMap(([queue, hashes]) => hashes.map((hash) => ({ queue, hash })))
  const keyOf = (queue: string, what: string): string => `${names.queue(queue)}:${queue}:${what}`
  const jobKeys = new Set(jobs.map(({ queue, hash }) => keyOf(queue, hash)))
  for (const queue of idle.keys())
    for (const hash of await redis.lrange(keyOf(queue, 'active'), 0, -1)) jobKeys.add(keyOf(queue, hash))
  const [listed, scheduled] = await Promise.all([
    allOf(sliceList(redis, names.list)),
    allOf(scanSortedSet(redis, names.deadlines)),
  ])
  const hashes = new Set([...listed, ...scheduled, ...jobs.map(({ hash }) => hash)])
  const records = await findExistingKeys(redis, [...hashes].map(names.record))
  const isMissing = (hash: string): boolean => !records.has(names.record(hash))
  return {
    list_entries: listed.filter(isMissing),
    reminders: scheduled.filter(isMissing),
    jobs: await filterAsync(jobs, async ({ hash }) => isMissing(hash) || isFinished(context, hash)),
    keys: await endlessKeys(context, jobKeys),
  }
}

async function allOf(slices: AsyncIterable<string[]>): Promise<string[]> {
  const all = new Set<string>()
  for await (const slice of slices) for (const one of slice) all.add(one)
  return [...all]
}

async function isFinished({ store }: Context, hash: string): Promise<boolean> {
  const stored = await store.read(hash).catch(nullIfUnreadable)
  // An unreadable record may still be repaired.
  return stored !== null && isFinal(stored.record.status)
}

/** Own keys that should expire and do not. */
async function endlessKeys(context: Context, jobKeys: ReadonlySet<string>): Promise<string[]> {
  const { redis } = context
  const { names } = redis
  const found: string[] = []
  for (const node of redis instanceof Cluster ? redis.nodes('master') : [redis as Redis]) {
    for (const pattern of [`${names.record('')}*`, `${names.own}*`]) {
      const stream = node.scanStream({ match: escapeGlob(pattern), count: 2_500 })
      for await (const keys of stream as AsyncIterable<string[]>) {
        const candidates = keys.filter((key) => isOfOneRequest(redis, key) && !jobKeys.has(key))
        found.push(...(await filterAsync(await withoutExpiry(redis, candidates), staysEndless(context))))
      }
    }
  }
  return [...new Set(found)]
}

function isOfOneRequest({ names }: RedisClient, key: string): boolean {
  const record = names.record('')
  if (key.startsWith(record)) return isRequestHash(key.slice(record.length))
  return /^(?:otp|early_otp|image|push|timeline|backup|idempotency):|:req_[\w-]+$/.test(
    key.slice(names.own.length),
  )
}

/** In a Cluster one script must not name keys of several slots. */
async function withoutExpiry(redis: RedisClient, keys: readonly string[]): Promise<readonly string[]> {
  if (keys.length === 0) return keys
  return redis instanceof Cluster ? filterAsync(keys, isEndless(redis)) : findEndless(redis, keys)
}

const isEndless =
  (redis: RedisClient) =>
  async (key: string): Promise<boolean> =>
    (await redis.pttl(key)) === -1

/**
 * A job may have been added since the queues were read. Reading a record gives it its expiry back when a program's plain SET
 * took it away, unless it is invalid.
 */
const staysEndless =
  ({ redis, store, queueStats }: Context) =>
  async (key: string): Promise<boolean> => {
    const [, queue, job] = key.startsWith(redis.names.queues) ? (JOB_KEY.exec(key) ?? []) : []
    if (queue && job) return (await queueStats.jobState(job, { name: queue })) === 'unknown'
    const hash = key.slice(redis.names.record('').length)
    if (!isRequestHash(hash)) return true
    await store.read(hash).catch(nullIfUnreadable)
    return isEndless(redis)(key)
  }

async function filterAsync<T>(
  all: readonly T[],
  isWanted: (one: T) => boolean | Promise<boolean>,
): Promise<T[]> {
  const wanted = await inBatches(all, isWanted)
  return all.filter((_, i) => wanted[i])
}

async function inBatches<T, R>(all: readonly T[], work: (one: T) => R | Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let from = 0; from < all.length; from += BATCH_SIZE)
    results.push(...(await Promise.all(all.slice(from, from + BATCH_SIZE).map(work))))
  return results
}

/** Glob characters in KEY_PREFIX are literal. */
const escapeGlob = (pattern: string): string => `${pattern.slice(0, -1).replace(/[[\]{}*?\\^]/g, '\\$&')}*`
