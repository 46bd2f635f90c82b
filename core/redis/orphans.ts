/**
 * What belongs to nobody (any more): entries of lists whose record is gone, jobs that nothing needs, keys that would
 * live for ever. Nothing of the kind is left by Halfway itself while all goes well; killed processes, foreign programs
 * and a Redis that came back from an old copy may.
 */
import { Cluster, type Redis } from 'ioredis'
import { isHash } from '../hash.ts'
import { isFinal } from '../record.ts'
import type { RedisClient } from './connect.ts'
import type { QueueCensus } from './queue-census.ts'
import type { Queues } from './queues.ts'
import type { RequestStore } from './request-store.ts'

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

const AT_ONCE = 500

export function createOrphans({
  redis,
  store,
  queues,
  census,
}: {
  redis: RedisClient
  store: Pick<RequestStore, 'read'>
  queues: Pick<Queues, 'remove'>
  census: Pick<QueueCensus, 'idle'>
}) {
  const { names } = redis
  const isGone = async (hash: string): Promise<boolean> => (await redis.exists(names.record(hash))) === 0

  async function isOver(hash: string): Promise<boolean> {
    if (await isGone(hash)) return true
    const stored = await store.read(hash).catch(() => undefined)
    // What cannot be read may be mended yet; null is another installation's.
    return stored !== undefined && stored !== null && isFinal(stored.record.status)
  }

  /** Keys of ours that should have an end and have none. */
  async function endlessKeys(queueNames: readonly string[], known: ReadonlySet<string>): Promise<string[]> {
    const found: string[] = []
    for (const node of redis instanceof Cluster ? redis.nodes('master') : [redis as Redis]) {
      for (const pattern of [
        `${names.record('')}*`,
        ...queueNames.map((name) => `${names.queues}:${name}:req_*`),
      ]) {
        for await (const keys of node.scanStream({ match: escaped(pattern), count: 1000 }) as AsyncIterable<
          string[]
        >) {
          found.push(
            ...(await only(
              keys.filter((key) => isOfOneRequest(key) && !known.has(key)),
              isEndless,
            )),
          )
        }
      }
    }
    return [...new Set(found)]
  }

  async function isEndless(key: string): Promise<boolean> {
    if ((await redis.pttl(key)) !== -1) return false
    const hash = key.slice(names.record('').length)
    if (!isHash(hash)) return true
    // Another program's plain SET took a record's end away: whoever reads it gives it back, unless it is nonsense.
    await store.read(hash).catch(() => null)
    return (await redis.pttl(key)) === -1
  }

  const isOfOneRequest = (key: string): boolean => {
    const prefix = names.record('')
    if (!key.startsWith(prefix)) return /:req_[\w-]+$/.test(key)
    return (
      isHash(key.slice(prefix.length)) ||
      /^(?:otp|guard):|^(?:[\w.-]+:)?idempotency:/.test(key.slice(prefix.length))
    )
  }

  return {
    async find(): Promise<Orphans> {
      const idle = await census.idle()
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
      return {
        list_entries: await only([...new Set(listed)], isGone),
        reminders: await only(reminded, isGone),
        jobs: await only(jobs, ({ hash }) => isOver(hash)),
        keys: await endlessKeys([...idle.keys()], held),
      }
    },

    async remove(orphans: Orphans): Promise<void> {
      for (const hash of orphans.list_entries) await redis.lrem(names.list, 0, hash)
      if (orphans.reminders.length > 0) await redis.zrem(names.deadlines, ...orphans.reminders)
      for (const { queue, hash } of orphans.jobs) await queues.remove(hash, { name: queue })
      for (const key of orphans.keys) await redis.del(key)
    },
  }
}

async function only<T>(all: readonly T[], isWanted: (one: T) => Promise<boolean>): Promise<T[]> {
  const wanted: T[] = []
  for (let from = 0; from < all.length; from += AT_ONCE) {
    const some = all.slice(from, from + AT_ONCE)
    const answers = await Promise.all(some.map(isWanted))
    wanted.push(...some.filter((_, i) => answers[i]))
  }
  return wanted
}

/** Braces, brackets and stars in a prefix mean themselves. */
const escaped = (pattern: string): string => `${pattern.slice(0, -1).replace(/[[\]{}*?\\^]/g, '\\$&')}*`
