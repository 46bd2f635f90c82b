/**
 * Worker processes: each gives a sign of life of its own, so that one that is frozen or was killed is seen while others take
 * its queues. All are in one hash. A process that stops removes its entry; one that cannot is known for ten minutes.
 */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import type { Log } from '../runtime/log.ts'
import { parseObject } from './parse-object.ts'

const INTERVAL_MS = 5_000
/** Three signs in a row have not come. */
const SILENT_MS = 15_000
const KEPT_MS = 600_000
/** How often a process removes the entries of those that were killed. */
const SIGNS_BETWEEN_REMOVALS = 12
/** An entry stays small, however many queues there are. */
const MAX_QUEUES = 20

export interface WorkerProcess {
  /** `host:pid` */
  name: string
  /** At most 20 of them, by name. */
  queues: string[]
  queueCount: number
  /** How many requests it ran at its last sign. */
  running: number
  /** How many requests of each queue it runs at most; null where an older version does not say. */
  slots: number | null
  startedSecondsAgo: number
  silentSeconds: number
  /** It is frozen, or was killed, or cannot reach Redis. */
  isSilent: boolean
}

interface Entry {
  name: string
  queues: string[]
  queue_count: number
  running: number
  slots?: number
  started_at: number
  signed_at: number
}

/** All that have given a sign within ten minutes, the silent ones first. Workers of older versions are not among them. */
export async function readWorkerProcesses(redis: RedisClient, now: number): Promise<WorkerProcess[]> {
  const entries = [...(await readEntries(redis)).values()].filter((entry) => entry !== null)
  return entries
    .filter((entry) => now - entry.signed_at <= KEPT_MS && !entries.some((other) => replaces(other, entry)))
    .map((entry) => ({
      name: entry.name,
      queues: entry.queues,
      queueCount: entry.queue_count,
      running: entry.running,
      slots: entry.slots ?? null,
      startedSecondsAgo: secondsBetween(entry.started_at, now),
      silentSeconds: secondsBetween(entry.signed_at, now),
      isSilent: now - entry.signed_at > SILENT_MS,
    }))
    .sort((a, b) => Number(b.isSilent) - Number(a.isSilent) || (a.name < b.name ? -1 : 1))
}

/** A container that is started again has the name of the one before. */
const replaces = (other: Entry, { name, signed_at }: Entry): boolean =>
  other.name === name && other.started_at > signed_at

const secondsBetween = (from: number, to: number): number => Math.max(0, Math.round((to - from) / 1000))

/** By the id of the process; null for what another program has written. */
async function readEntries(redis: RedisClient): Promise<Map<string, Entry | null>> {
  const key = redis.names.workerProcesses
  const all = await retryWithoutWrongTypes(redis, { [key]: 'hash' }, () => redis.hgetall(key))
  return new Map(Object.entries(all).map(([id, json]) => [id, parseEntry(json)]))
}

function parseEntry(json: string): Entry | null {
  const entry = parseObject<Entry>(json) ?? {}
  const isEntry =
    typeof entry.name === 'string' &&
    Array.isArray(entry.queues) &&
    [entry.queue_count, entry.running, entry.started_at, entry.signed_at].every(Number.isFinite)
  return isEntry ? (entry as Entry) : null
}

/** For the process that calls it. Its first sign is given at once. */
export function startWorkerSigns({
  redis,
  takenQueues,
  running,
  slots,
  log,
  now,
  name = `${hostname()}:${process.pid}`,
}: {
  redis: RedisClient
  takenQueues: () => readonly string[]
  /** How many requests it runs. */
  running: () => number
  /** How many requests of each queue it runs at most. */
  slots: number
  log: Log
  now: () => number
  name?: string
}): { give(): void; stop(): void } {
  const key = redis.names.workerProcesses
  // Containers may share a name and a process id.
  const id = randomUUID()
  const startedAt = now()
  let signs = 0
  const attempt = (work: Promise<unknown>): void =>
    void work.catch((error: unknown) => log.debug({ err: error }, 'no sign of life given'))

  async function removeOld(): Promise<void> {
    const entries = [...(await readEntries(redis))]
    const old = entries.filter(([, entry]) => entry === null || now() - entry.signed_at > KEPT_MS)
    if (old.length > 0) await redis.hdel(key, ...old.map(([field]) => field))
  }

  function give(): void {
    const queues = [...takenQueues()].sort()
    const entry: Entry = {
      name,
      queues: queues.slice(0, MAX_QUEUES),
      queue_count: queues.length,
      running: running(),
      slots,
      started_at: startedAt,
      signed_at: now(),
    }
    attempt(redis.hset(key, id, JSON.stringify(entry)))
    attempt(redis.pexpire(key, KEPT_MS))
    if (signs++ % SIGNS_BETWEEN_REMOVALS === 0) attempt(removeOld())
  }
  give()
  const timer = setInterval(give, INTERVAL_MS)
  return {
    give,
    stop() {
      clearInterval(timer)
      // What runs is finished without waiting for this.
      attempt(redis.hdel(key, id))
    },
  }
}
