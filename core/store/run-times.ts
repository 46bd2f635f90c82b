/**
 * How long the last runs of each service took, and nothing else about them. One list for each service: the newest 200 runs,
 * kept for 90 days. Estimates made from them (arrival.ts) are cached for 15 s in each process.
 */
import { hash as digest } from 'node:crypto'
import type { Service } from '../catalog/service-definition.ts'
import {
  countInside,
  durationsOf,
  type EndedRequest,
  type Expectation,
  estimateFrom,
  type PastRun,
  type ServiceDurations,
  type ServiceEstimate,
  toRun,
} from '../domain/arrival.ts'
import { createBatcher } from '../redis/batch.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'

const MAX_RUNS = 200
const KEPT_SECONDS = 90 * 86_400
const CACHED_MS = 15_000
const WRITE_EVERY_MS = 200

type Timed = Pick<Service, 'slug' | 'steps'>

export interface RunTimes {
  /**
   * Adds the run of a request, if it was completed. Best effort: never rejects, and a run that is lost changes no estimate.
   *
   * @param expected what was expected at its start
   */
  add(service: Timed, completed: EndedRequest | undefined, expected: Expectation | undefined): Promise<void>
  /** For an attempt that starts: undefined with too few runs. Waits for Redis once in 15 s. Never rejects. */
  expectation(service: Timed): Promise<Expectation | undefined>
  /** As of the last 15 s, without waiting: null the first time, and with too few runs. */
  latestEstimate(service: Timed): ServiceEstimate | null
  /** How long the last runs and their steps took; null without any. */
  durations(service: Timed): Promise<ServiceDurations | null>
  /** How many runs are known, how many of them had an expectation, and how many of these ended within it. */
  calibration(service: Timed): Promise<{ runs: number; expected: number; inside: number }>
}

interface Cached {
  readAt: number
  reading: Promise<ServiceEstimate | null>
  estimate: ServiceEstimate | null
}

/** @param onError called when Redis fails: estimates are then as old as the last read */
export function createRunTimes({
  redis,
  now = Date.now,
  onError,
}: {
  redis: RedisClient
  now?: () => number
  onError?: (error: unknown) => void
}): RunTimes {
  const cache = new Map<string, Cached>()
  const appends = new Map<string, (row: string) => Promise<void>>()

  async function read(service: Timed): Promise<PastRun[]> {
    const key = redis.names.runTimes(service.slug)
    const rows = await retryWithoutWrongTypes(redis, { [key]: 'list' }, () => redis.lrange(key, 0, -1))
    return rows.flatMap((row) => parseRow(row, service))
  }

  /** Reads again when the cached one is old. */
  function refresh(service: Timed): Cached {
    const cached = cache.get(service.slug)
    if (cached && now() - cached.readAt < CACHED_MS) return cached
    const reading = read(service)
      .then((runs) => estimateFrom(runs, stepIds(service)))
      .catch((error: unknown) => {
        onError?.(error)
        return cached?.estimate ?? null
      })
    const entry: Cached = { readAt: now(), reading, estimate: cached?.estimate ?? null }
    cache.set(service.slug, entry)
    void reading.then((estimate) => {
      entry.estimate = estimate
    })
    return entry
  }

  return {
    async add(service, completed, expected) {
      const run = completed && toRun(completed, expected)
      if (!run) return
      const key = redis.names.runTimes(service.slug)
      const append = appends.get(key) ?? createAppend(redis, key)
      appends.set(key, append)
      await append(formatRow(run, service)).catch((error: unknown) => onError?.(error))
    },
    async expectation(service) {
      const known = await refresh(service).reading
      return known ? { total: known.total, steps: known.steps } : undefined
    },
    latestEstimate: (service) => refresh(service).estimate,
    durations: async (service) => durationsOf(await read(service), stepIds(service)),
    async calibration(service) {
      const runs = await read(service)
      return { runs: runs.length, ...countInside(runs) }
    },
  }
}

/** Writes a row at once, and together what follows within a moment: many requests may end in each second. */
function createAppend(redis: RedisClient, key: string): (row: string) => Promise<void> {
  let lastAt = Number.NEGATIVE_INFINITY
  return createBatcher(
    MAX_RUNS,
    async (rows: readonly string[]) => {
      lastAt = performance.now()
      await redis
        .multi()
        .lpush(key, ...rows)
        .ltrim(key, 0, MAX_RUNS - 1)
        .expire(key, KEPT_SECONDS)
        .exec()
      return rows.map(() => undefined)
    },
    (run) => void setTimeout(run, Math.max(0, lastAt + WRITE_EVERY_MS - performance.now())).unref(),
  )
}

const stepIds = ({ steps }: Timed): string[] => steps.filter(({ of }) => of === undefined).map(({ id }) => id)

/** Runs of a definition with other steps are not compared. */
const stepsDigest = (service: Timed): string =>
  digest('sha256', stepIds(service).join(' '), 'base64url').slice(0, 8)

const formatRow = ({ total, starts, isInside }: PastRun, service: Timed): string =>
  JSON.stringify([stepsDigest(service), isInside, total, ...starts])

function parseRow(row: string, service: Timed): PastRun[] {
  try {
    const [steps, isInside, total, ...starts] = JSON.parse(row)
    return steps === stepsDigest(service) && typeof total === 'number' ? [{ total, starts, isInside }] : []
  } catch {
    return []
  }
}
