/**
 * Every metric, in one table: name, help, labels, buckets, and which processes have it. docs/METRICS.md lists the same
 * (checked by a test). Names are as Prometheus wants them: base units, `_total` for counters.
 */
import {
  Counter,
  type CounterConfiguration,
  collectDefaultMetrics,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  Registry,
} from 'prom-client'

export type MeasuredProcess = 'server' | 'workers' | 'bots'
const ALL: readonly MeasuredProcess[] = ['server', 'workers', 'bots']

/** Requests take a second to an hour. */
const REQUEST_BUCKETS = [0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 1800, 3600]
const LAG_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

/** Metrics without labels are exported from the start, as 0. */
const define =
  <M>(of: readonly MeasuredProcess[], open: (registers: Registry[]) => M) =>
  (process: MeasuredProcess, registry: Registry): M =>
    open(of.includes(process) ? [registry] : [])

const counter = <L extends string = never>(
  of: readonly MeasuredProcess[],
  name: CounterConfiguration<L>['name'],
  help: string,
  ...labelNames: L[]
) => define(of, (registers) => new Counter<L>({ name, help, labelNames, registers }))

const gauge = <L extends string = never>(
  of: readonly MeasuredProcess[],
  name: GaugeConfiguration<L>['name'],
  help: string,
  ...labelNames: L[]
) => define(of, (registers) => new Gauge<L>({ name, help, labelNames, registers }))

const histogram = <L extends string = never>(
  of: readonly MeasuredProcess[],
  buckets: number[],
  name: string,
  help: string,
  ...labelNames: L[]
) => define(of, (registers) => new Histogram<L>({ name, help, labelNames, buckets, registers }))

// biome-ignore format: a table
const METRICS = {
  requestsCreated: counter(ALL, 'halfway_requests_created_total', 'Requests that were created', 'service'),
  requestsEnded: counter(ALL, 'halfway_requests_ended_total', 'Requests that ended: completed, failed or cancelled', 'service', 'status'),
  requestsFailed: counter(ALL, 'halfway_requests_failed_total', 'Requests that failed, by error code; codes that bots made up are other', 'service', 'code'),
  queueSeconds: histogram(ALL, REQUEST_BUCKETS, 'halfway_request_queue_seconds', 'From when a request was due to its start', 'service'),
  stepSeconds: histogram(ALL, REQUEST_BUCKETS, 'halfway_request_step_seconds', 'Duration of a step that is done, without waiting for answers', 'service', 'step'),
  codeSeconds: histogram(ALL, REQUEST_BUCKETS, 'halfway_request_code_seconds', 'From when a request was due to its first question for a code', 'service'),
  durationSeconds: histogram(ALL, REQUEST_BUCKETS, 'halfway_request_duration_seconds', 'From when a request was due to its end', 'service', 'status'),
  arrivals: counter(ALL, 'halfway_request_arrivals_total', 'Completed requests by whether they ended early, inside or late of the expected range', 'service', 'arrival'),
  writeConflicts: counter(ALL, 'halfway_write_conflicts_total', 'Writes that found a newer record and were made again'),
  writesRefused: counter(ALL, 'halfway_writes_refused_total', 'Writes that the rules refused, such as those of an older attempt', 'reason'),
  foreignWrites: counter(ALL, 'halfway_foreign_writes_total', 'Records that another program had written, reconciled'),
  redisLatency: histogram(ALL, LATENCY_BUCKETS, 'halfway_redis_latency_seconds', 'Round trip of a PING, sent every second, as the process sees it'),

  watchers: gauge(['server'], 'halfway_watchers', 'Watches that are open: requests that sockets, streams and long polls follow', 'transport'),
  deliveries: counter(['server'], 'halfway_deliveries_total', 'States that were sent to watchers and pollers', 'transport'),
  deliveryLag: histogram(['server'], LAG_BUCKETS, 'halfway_delivery_lag_seconds', 'From the write of a state to its push', 'transport'),
  rateLimitsHit: counter(['server'], 'halfway_rate_limits_hit_total', 'Calls and messages that a limit refused', 'limit'),

  redisUp: gauge(['server'], 'halfway_redis_up', 'Whether Redis answered this scrape: 1 or 0'),
  redisWritable: gauge(['server'], 'halfway_redis_writable', 'Whether Redis accepts writes: 1 or 0'),
  redisMemoryUsed: gauge(['server'], 'halfway_redis_memory_used_bytes', 'Memory that Redis uses; in a Cluster of its fullest master'),
  redisMemoryMax: gauge(['server'], 'halfway_redis_memory_max_bytes', 'The maxmemory of that Redis; 0 without a limit'),
  queueWaiting: gauge(['server'], 'halfway_queue_waiting', 'Requests that wait for their turn', 'queue'),
  queueOldest: gauge(['server'], 'halfway_queue_oldest_seconds', 'For how long the oldest of them has waited; 0 where none waits', 'queue'),
  queueRunning: gauge(['server'], 'halfway_queue_running', 'Requests that workers have taken and that run', 'queue'),
  queueConcurrency: gauge(['server'], 'halfway_queue_concurrency', 'How many requests may run at once, over all workers; absent for any number', 'queue'),
  queueDelayed: gauge(['server'], 'halfway_queue_delayed', 'Requests that are scheduled, between two attempts, or wait for a code without a worker', 'queue'),
  queuePaused: gauge(['server'], 'halfway_queue_paused', 'Whether an operator holds it (`queues hold`): 1 or 0', 'queue'),
  queueHeld: gauge(['server'], 'halfway_queue_held_seconds', 'For how long no request is started: a bot answered 429, or the limit of starts is reached', 'queue'),
  queueTaken: gauge(['server'], 'halfway_queue_taken', 'Whether a worker takes requests from it: 1 or 0', 'queue'),
  workers: gauge(['server'], 'halfway_workers', 'Worker processes that have given a sign of life within 15 seconds'),
  workersSilent: gauge(['server'], 'halfway_workers_silent', 'Worker processes that have given none for longer and did not stop in order; for 10 minutes'),
  serviceSilent: gauge(['server'], 'halfway_service_silent', 'Whether no bot has announced it for a minute: 1 or 0', 'service'),
  bots: gauge(['server'], 'halfway_bots', 'Bots that serve it and accept new requests', 'service'),
  botSlots: gauge(['server'], 'halfway_bot_slots', 'How many requests these bots run at once; a bot with several services counts for each', 'service'),
  botSlotsFree: gauge(['server'], 'halfway_bot_slots_free', 'How many of these are free', 'service'),

  workerJobs: counter(['workers'], 'halfway_worker_jobs_total', 'Jobs that this worker has taken, also those without room at a bot', 'queue'),
  workerRunning: gauge(['workers'], 'halfway_worker_running', 'Jobs that this worker runs', 'queue'),
  workerConcurrency: gauge(['workers'], 'halfway_worker_concurrency', 'How many jobs it runs at once', 'queue'),
}

/** The instruments by name. Those of other processes exist but are not exported. */
export type Instruments = { readonly [name in keyof typeof METRICS]: ReturnType<(typeof METRICS)[name]> }

export interface Metrics extends Instruments {
  readonly registry: Pick<Registry, 'contentType' | 'getMetricsAsArray'>
  /** For the connections to Redis. */
  readonly onPing: (seconds: number) => void
  /** Calls back before each scrape; the scrape waits for the promise. */
  onScrape(prepare: () => void | Promise<void>): void
  /** Everything as text, for Prometheus. */
  scrape(): Promise<string>
}

/** Gauges of Node that have a name of counters, which Prometheus complains of. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** In a registry of its own, with the metrics of Node and of the process. */
export function createMetrics(process: MeasuredProcess): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  const instruments = Object.entries(METRICS).map(([name, open]) => [name, open(process, registry)])
  const named = Object.fromEntries(instruments) as Instruments
  const preparations: (() => void | Promise<void>)[] = []
  return {
    ...named,
    registry,
    onPing: (seconds) => named.redisLatency.observe(seconds),
    onScrape: (prepare) => void preparations.push(prepare),
    async scrape() {
      await Promise.all(preparations.map((prepare) => prepare()))
      return registry.metrics()
    },
  }
}
