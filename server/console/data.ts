/** What the Now page and the queues page read. Every part is read by itself, so that a page shows what can be read. */
import { type Catalog, queuesOf } from '../../core/catalog/catalog.ts'
import type { ServiceDurations } from '../../core/domain/arrival.ts'
import type { QueueState, QueueStats } from '../../core/queue/queue-stats.ts'
import type { Readiness } from '../../core/queue/readiness.ts'
import { secondsSinceHeartbeat } from '../../core/queue/worker-heartbeat.ts'
import type { RedisClient } from '../../core/redis/connect.ts'
import { getServerInfo, type RedisServerInfo } from '../../core/redis/server-info.ts'
import { countLeases } from '../../core/store/bot-leases.ts'
import { type EndsOfMinute, readEnds } from '../../core/store/end-counts.ts'
import type { FailedRequest, FailedRequests } from '../../core/store/failed-requests.ts'
import type { RunTimes } from '../../core/store/run-times.ts'
import type { ServiceRegistry } from '../../core/store/service-registry.ts'
import { readWorkerProcesses, type WorkerProcess } from '../../core/store/worker-processes.ts'

export interface BotState {
  address: string
  slugs: string[]
  running: number
  concurrency: number
  draining: boolean
  /** Seconds since it was announced last. */
  silentSeconds: number
}

/** Null for what cannot be read. */
export interface Snapshot {
  readiness: Readiness
  queues: QueueState[] | null
  ends: EndsOfMinute[] | null
  failures: FailedRequest[] | null
  durations: { slug: string; known: ServiceDurations }[] | null
  bots: BotState[] | null
  workers: { queue: string; silentSeconds: number | null }[] | null
  processes: WorkerProcess[] | null
  redis: RedisServerInfo[] | null
}

export interface ConsoleDataDeps {
  redis: RedisClient
  catalog: Catalog
  registry: Pick<ServiceRegistry, 'read' | 'lastAnnounced'>
  readiness: { check(): Promise<Readiness> }
  queueStats: Pick<QueueStats, 'read'>
  failures: Pick<FailedRequests, 'list'>
  runTimes: Pick<RunTimes, 'durations'>
  now: () => number
}

export const MINUTES = 60
export async function readSnapshot(deps: ConsoleDataDeps): Promise<Snapshot> {
  const { redis, readiness, queueStats, failures, now } = deps
  const [checks, queues, ends, failed, durations, bots, workers, processes, info] = await Promise.all([
    readiness.check(),
    orNull(queueStats.read()),
    orNull(readEnds(redis, now(), MINUTES)),
    orNull(failures.list()),
    orNull(readDurations(deps)),
    orNull(readBots(deps)),
    orNull(readWorkers(deps)),
    orNull(readWorkerProcesses(redis, now())),
    orNull(getServerInfo(redis)),
  ])
  return {
    readiness: checks,
    queues,
    ends,
    failures: failed,
    durations,
    bots,
    workers,
    processes,
    redis: info,
  }
}

const orNull = <T>(reading: Promise<T>): Promise<T | null> => reading.catch(() => null)

async function readDurations({ catalog, runTimes }: ConsoleDataDeps): Promise<Snapshot['durations']> {
  const all = await Promise.all(
    catalog.all().map(async (service) => ({ slug: service.slug, known: await runTimes.durations(service) })),
  )
  return all.flatMap(({ slug, known }) => (known ? [{ slug, known }] : []))
}

async function readBots({ redis, registry, now }: ConsoleDataDeps): Promise<BotState[]> {
  const [{ bots }, times] = await Promise.all([registry.read(), registry.lastAnnounced()])
  const byAddress = new Map<string, BotState>()
  for (const { address, slug, concurrency, draining = false } of bots) {
    const silentSeconds = Math.max(0, Math.round((now() - (times.get(`${slug} ${address}`) ?? 0)) / 1000))
    const known = byAddress.get(address)
    const slugs = [...(known?.slugs ?? []), slug]
    const least = Math.min(known?.silentSeconds ?? silentSeconds, silentSeconds)
    byAddress.set(address, { address, slugs, running: 0, concurrency, draining, silentSeconds: least })
  }
  const running = await countLeases(redis, [...byAddress.keys()], now())
  return [...byAddress.values()]
    .map((bot, i) => ({ ...bot, running: running[i] ?? 0 }))
    .sort((a, b) => (a.address < b.address ? -1 : 1))
}

async function readWorkers({ redis, catalog }: ConsoleDataDeps): Promise<Snapshot['workers']> {
  const queues = queuesOf(catalog).map(({ name }) => name)
  const seconds = await secondsSinceHeartbeat(redis, queues)
  return queues.map((queue, i) => ({ queue, silentSeconds: seconds[i] ?? null }))
}
