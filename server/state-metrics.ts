/**
 * What lies in Redis, read when Prometheus asks: queues, bots, memory. Every server process reads the same, so rules and
 * dashboards use `max`. Where Redis does not answer in time, these gauges are absent and `halfway_redis_up` is 0.
 */
import type { Gauge } from 'prom-client'
import { queuesOf } from '../core/catalog/catalog.ts'
import type { QueueState, QueueStats } from '../core/queue/queue-stats.ts'
import { tryToWrite } from '../core/queue/readiness.ts'
import { queuesWithoutWorker } from '../core/queue/worker-heartbeat.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import { type Memory, nullIfRefused, readMemory } from '../core/redis/server-info.ts'
import { createLabelLimit } from '../core/runtime/label-limit.ts'
import type { Log } from '../core/runtime/log.ts'
import type { Instruments } from '../core/runtime/metrics.ts'
import { countLeases } from '../core/store/bot-leases.ts'
import type { LiveCatalog } from '../core/store/live-catalog.ts'
import type { LiveControls } from '../core/store/operator-controls.ts'
import { readWorkerProcesses, type WorkerProcess } from '../core/store/worker-processes.ts'

export interface StateMetricsDeps {
  metrics: Instruments
  redis: RedisClient
  catalog: LiveCatalog
  controls: Pick<LiveControls, 'current'>
  queueStats: Pick<QueueStats, 'read'>
  log: Log
  now: () => number
}

interface State {
  isWritable: boolean
  memory: Memory | null
  queues: readonly QueueState[]
  /** Names of those that no worker takes requests from. */
  untaken: ReadonlySet<string>
  workers: readonly WorkerProcess[]
  /** By the address of the bot. */
  running: ReadonlyMap<string, number>
}

/** A scrape waits no longer. */
const TIMEOUT_MS = 900
const CACHE_MS = 1_000

/** @returns sets the gauges; at most once a second it reads Redis for it. Never rejects */
export function createStateMetrics(deps: StateMetricsDeps): () => Promise<void> {
  const { metrics, log } = deps
  let last: { at: number; done: Promise<void> } | null = null

  async function refresh(): Promise<void> {
    const state = await withinTimeout(readState(deps)).catch((error: unknown) => {
      log.debug({ err: error }, 'the metrics of Redis could not be read')
      return null
    })
    metrics.redisUp.set(state ? 1 : 0)
    metrics.redisWritable.remove()
    if (state) metrics.redisWritable.set(state.isWritable ? 1 : 0)
    setMemory(metrics, state?.memory ?? null)
    setWorkers(metrics, state)
    setQueues(deps, state)
    setServices(deps, state)
  }

  return () => {
    const now = performance.now()
    if (last === null || now - last.at > CACHE_MS) last = { at: now, done: refresh() }
    return last.done
  }
}

/** Two round trips: everything, and the records of the requests that have waited longest. */
async function readState({ redis, catalog, queueStats, now }: StateMetricsDeps): Promise<State> {
  const addresses = [...new Set(addressesOf(catalog))]
  const [refusal, memory, queues, untaken, leases, workers] = await Promise.all([
    tryToWrite(redis),
    readMemory(redis),
    nullIfRefused(queueStats.read()),
    queuesWithoutWorker(
      redis,
      queuesOf(catalog).map(({ name }) => name),
    ),
    countLeases(redis, addresses, now()),
    readWorkerProcesses(redis, now()),
  ])
  const running = addresses.map((address, i): [string, number] => [address, leases[i] ?? 0])
  return {
    isWritable: refusal === null,
    memory,
    queues: queues ?? [],
    untaken: new Set(untaken),
    workers,
    running: new Map(running),
  }
}

const addressesOf = (catalog: LiveCatalog): string[] =>
  catalog.all().flatMap(({ slug }) => catalog.botsOf(slug).map(({ address }) => address))

function setMemory({ redisMemoryUsed, redisMemoryMax }: Instruments, memory: Memory | null): void {
  redisMemoryUsed.remove()
  redisMemoryMax.remove()
  if (!memory) return
  redisMemoryUsed.set(memory.usedBytes)
  redisMemoryMax.set(memory.maxBytes)
}

/** Signs of life of workers are writes: without these nothing is known of them. */
function setWorkers({ workers, workersSilent }: Instruments, state: State | null): void {
  workers.remove()
  workersSilent.remove()
  if (!state?.isWritable) return
  const silent = state.workers.filter(({ isSilent }) => isSilent).length
  workers.set(state.workers.length - silent)
  workersSilent.set(silent)
}

function setQueues({ metrics, controls }: StateMetricsDeps, state: State | null): void {
  const { queues, untaken } = state ?? { queues: [], untaken: new Set<string>() }
  const queue = createLabelLimit()
  const values = (of: (state: QueueState) => number) =>
    queues.map((one): [{ queue: string }, number] => [{ queue: queue(one.queue) }, of(one)])
  setAll(
    metrics.queueWaiting,
    values((one) => one.waiting),
  )
  setAll(
    metrics.queueRunning,
    values((one) => one.running),
  )
  setAll(
    metrics.queueConcurrency,
    queues.flatMap((one) => (one.at_once === null ? [] : [[{ queue: queue(one.queue) }, one.at_once]])),
  )
  setAll(
    metrics.queueDelayed,
    values((one) => one.delayed),
  )
  setAll(
    metrics.queueOldest,
    values((one) => one.oldest_seconds ?? 0),
    Math.max,
  )
  const { held } = controls.current()
  setAll(
    metrics.queuePaused,
    values((one) => (held.has(one.queue) ? 1 : 0)),
    Math.max,
  )
  setAll(
    metrics.queueHeld,
    values((one) => one.held_seconds),
    Math.max,
  )
  setAll(
    metrics.queueTaken,
    state?.isWritable ? values((one) => (untaken.has(one.queue) ? 0 : 1)) : [],
    Math.min,
  )
}

function setServices({ metrics, catalog }: StateMetricsDeps, state: State | null): void {
  const slugs = state ? catalog.all().map(({ slug }) => slug) : []
  const service = createLabelLimit()
  const values = (of: (slug: string) => number) =>
    slugs.map((slug): [{ service: string }, number] => [{ service: service(slug) }, of(slug)])
  const slots = (slug: string): number => catalog.capacityOf(slug) ?? 0
  const free = (slug: string): number =>
    catalog
      .botsOf(slug)
      .reduce((sum, bot) => sum + Math.max(0, bot.concurrency - (state?.running.get(bot.address) ?? 0)), 0)
  setAll(
    metrics.serviceSilent,
    values((slug) => (catalog.isSilent(slug) ? 1 : 0)),
    Math.max,
  )
  setAll(
    metrics.bots,
    values((slug) => catalog.botsOf(slug).length),
  )
  setAll(metrics.botSlots, values(slots))
  setAll(metrics.botSlotsFree, values(free))
}

/** @param combine of those that share the label `other` */
function setAll<L extends string>(
  gauge: Gauge<L>,
  values: readonly [Record<L, string>, number][],
  combine = (a: number, b: number): number => a + b,
): void {
  gauge.reset()
  const combined = new Map<string, [Record<L, string>, number]>()
  for (const [labels, value] of values) {
    const key = Object.values(labels).join()
    const present = combined.get(key)
    combined.set(key, [labels, present ? combine(present[1], value) : value])
  }
  for (const [labels, value] of combined.values()) gauge.set(labels, value)
}

async function withinTimeout<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('Redis did not answer in time')), TIMEOUT_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
