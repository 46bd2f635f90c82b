/** What the server uses of core: requests in Redis, their queues, their updates. */
import { type BotWaits, createBotWaits } from '../core/actions/bot-waits.ts'
import { createOtpMailbox } from '../core/actions/otp-mailbox.ts'
import { type Catalog, queuesOf } from '../core/catalog/catalog.ts'
import type { Service } from '../core/catalog/service-definition.ts'
import type { QueuePace } from '../core/domain/waiting.ts'
import { createChannelSubscriber } from '../core/pubsub/channel-subscriber.ts'
import type { NatsLink } from '../core/pubsub/nats-link.ts'
import { createRequestWatcher, type RequestWatcher } from '../core/pubsub/request-watcher.ts'
import { createQueuePositions } from '../core/queue/queue-positions.ts'
import { createQueues } from '../core/queue/queues.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { Config } from '../core/runtime/config.ts'
import type { Log } from '../core/runtime/log.ts'
import type { Metrics } from '../core/runtime/metrics.ts'
import type { Tracing } from '../core/runtime/tracing.ts'
import type { LiveCatalog } from '../core/store/live-catalog.ts'
import { createMemoryLimit } from '../core/store/memory-limit.ts'
import type { LiveControls } from '../core/store/operator-controls.ts'
import { createRequestEnds } from '../core/store/request-ends.ts'
import { createRequestStore } from '../core/store/request-store.ts'
import { createRunTimes } from '../core/store/run-times.ts'
import { createServiceClosing } from '../core/store/service-closing.ts'
import { createWriteObserver, observeEnds } from '../core/store/write-observer.ts'
import { createTraceWrite } from '../core/store/write-traces.ts'
import { queuePace } from './pages/service-pace.ts'
import { tracePushes } from './request-traces.ts'
import { createServerMetrics, withoutMetrics } from './server-metrics.ts'
import { createWorkerSlots } from './worker-slots.ts'

export interface CoreDeps {
  /** The fail-fast connection. */
  redis: RedisClient
  /** Of Redis, or NATS. */
  subscriber: RedisClient | NatsLink
  catalog: Catalog & Partial<Pick<LiveCatalog, 'onChange'>>
  /** What operators set at run time. */
  controls: Pick<LiveControls, 'current' | 'refresh'>
  config: Pick<Config, 'requestTtlSeconds' | 'server'>
  log: Log
  /** Where METRICS_PORT or METRICS_TOKEN is set. */
  metrics?: Metrics
  /** Where OTEL_EXPORTER_OTLP_ENDPOINT is set. */
  tracing?: Tracing
  /** Redis's clock (core/redis/clock.ts), which all times of a request come from: milliseconds since 1970. */
  now?: () => number
}

const SUBSCRIBE_TIMEOUT_MS = 900
/** 20 states a second are as many as anyone can read. */
const THROTTLE_MS = 50

export function openCore({
  redis,
  subscriber,
  catalog,
  controls,
  config,
  log,
  metrics,
  tracing,
  now = Date.now,
}: CoreDeps) {
  const ttlSeconds = config.requestTtlSeconds
  const { closeAfterFailures } = config.server
  const onEnd = createRequestEnds({ redis, closeAfterFailures, log, now })
  const observer = observeEnds(metrics && createWriteObserver(metrics, catalog), onEnd)
  const traceWrite = tracing && createTraceWrite(tracing, catalog)
  const store = createRequestStore({ redis, ttlSeconds, now, log, catalog, observer, traceWrite })
  const channels = createChannelSubscriber({ redis, subscriber, log })
  const telemetry = tracing?.queueTelemetry
  const queues = createQueues({ redis, log, queueList: () => queuesOf(catalog), telemetry, now })
  const runTimes = createRunTimes({
    redis,
    now,
    onError: (error) => log.debug({ err: error }, 'run times could not be read'),
  })
  const slotsOf = createWorkerSlots({
    redis,
    now,
    onError: (error) => log.debug({ err: error }, 'the workers could not be read'),
  })
  const capacities = { capacityOf: catalog.capacityOf, slotsOf }
  const paceOf = (service: Service): QueuePace =>
    queuePace(service, runTimes.latestEstimate(service), capacities)
  const queuePositions = createQueuePositions({
    queues,
    catalog,
    paceOf,
    holdOf: (queue) => controls.current().held.get(queue) ?? null,
    now,
  })
  const watcher: RequestWatcher = createRequestWatcher({
    store,
    channels,
    log,
    subscribeTimeoutMs: SUBSCRIBE_TIMEOUT_MS,
    throttleMs: THROTTLE_MS,
    queuePositions,
    now,
  })
  const counted = metrics && createServerMetrics(metrics, now)
  // So that the first page of a service already has its estimate.
  const readRunTimes = (): void => catalog.all().forEach(paceOf)
  readRunTimes()
  catalog.onChange?.(readRunTimes)
  return {
    store,
    channels,
    queues,
    queuePositions,
    watcher,
    runTimes,
    capacities,
    closing: createServiceClosing({ redis, controls }),
    memoryLimit: createMemoryLimit(redis),
    metrics: tracing ? tracePushes(counted ?? withoutMetrics(), { tracing, store, catalog }) : counted,
  }
}

export type Core = ReturnType<typeof openCore>

export function openBotWaits(
  { redis, now }: Pick<CoreDeps, 'redis' | 'now'>,
  { store, watcher, channels }: Core,
): BotWaits {
  const otpMailbox = createOtpMailbox({ redis, channels, store, now })
  return createBotWaits({ redis, store, watcher, otpMailbox, now })
}
