/**
 * The workers' process: `npm run start:workers`. One BullMQ worker for each lane of a selected queue, and a rescuer. Queues come and
 * go with the services that bots announce.
 */

import { createOtpMailbox } from '../core/actions/otp-mailbox.ts'
import { queuesOf } from '../core/catalog/catalog.ts'
import { createChannelSubscriber } from '../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../core/pubsub/request-watcher.ts'
import { BLOCK_SECONDS } from '../core/queue/bullmq.ts'
import { createQueues } from '../core/queue/queues.ts'
import { startHeartbeat } from '../core/queue/worker-heartbeat.ts'
import { isAway } from '../core/redis/away.ts'
import { startClock } from '../core/redis/clock.ts'
import { openRedis } from '../core/redis/connect.ts'
import { openInstallationSecret } from '../core/redis/installation-secret.ts'
import { createVapidKeys } from '../core/redis/vapid-keys.ts'
import type { Metrics } from '../core/runtime/metrics.ts'
import { startMetrics } from '../core/runtime/metrics-listener.ts'
import { type ProcessContext, runProcess } from '../core/runtime/process.ts'
import { createSecretBox } from '../core/runtime/secret-box.ts'
import { isSettingsFileOpen, SETTINGS_FILE_OPEN } from '../core/runtime/settings-file.ts'
import { startTracing } from '../core/runtime/start-tracing.ts'
import type { Tracing } from '../core/runtime/tracing.ts'
import { createAuditLog } from '../core/store/audit-log.ts'
import { createBotLeases } from '../core/store/bot-leases.ts'
import { auditChangedSettings } from '../core/store/changed-settings.ts'
import { createDeadlineIndex } from '../core/store/deadline-index.ts'
import { createFailedRequests } from '../core/store/failed-requests.ts'
import { openLiveCatalog } from '../core/store/live-catalog.ts'
import { createControlStore, openLiveControls, withLimits } from '../core/store/operator-controls.ts'
import { createPushSubscriptions } from '../core/store/push-subscriptions.ts'
import { createRequestEnds } from '../core/store/request-ends.ts'
import { createRequestStore } from '../core/store/request-store.ts'
import { createRunTimes } from '../core/store/run-times.ts'
import { createServiceRegistry } from '../core/store/service-registry.ts'
import { createSubjectLimiter } from '../core/store/subject-limits.ts'
import { startWorkerSigns } from '../core/store/worker-processes.ts'
import { createWriteObserver, observeEnds } from '../core/store/write-observer.ts'
import { createTraceWrite } from '../core/store/write-traces.ts'
import { createBotClient } from './bot-client.ts'
import { createBotRouter } from './bot-router.ts'
import { startRemovingExpired } from './expired-hashes.ts'
import { parseWorkerOptions, type WorkerOptions } from './options.ts'
import { createPushClient } from './push-client.ts'
import { startPushSender } from './push-sender.ts'
import { createQueueWorkers } from './queue-workers.ts'
import { createRequestWorker } from './request-worker.ts'
import { startRescuer } from './rescuer.ts'
import { traceCalls } from './traces.ts'
import { createWorkerLimits } from './worker-limits.ts'
import { createWorkerMetrics, type WorkerMetrics } from './worker-metrics.ts'

await runProcess({ name: 'workers', env: process.env }, async (context) => {
  const options = parseWorkerOptions(process.argv.slice(2))
  if (!options) return context.shutdown('only --help was requested')
  if (isSettingsFileOpen()) context.log.warn(SETTINGS_FILE_OPEN)
  const tracing = await startTracing('workers', context)
  const metrics = await startMetrics('workers', context)
  const parts = await openParts(context, options.sleep ?? BLOCK_SECONDS, { metrics, tracing })
  // Before the workers, and so stopped after them: what ends while they finish is notified of.
  if (context.config.push.isOn) await startPushes(context, parts)
  await startWorkers(context, options, parts, metrics && createWorkerMetrics(metrics))
})

/** What all workers of the process share. */
async function openParts(
  { config, log, auditLog, register }: ProcessContext,
  blockSeconds: number,
  { metrics, tracing }: { metrics: Metrics | undefined; tracing: Tracing | undefined },
) {
  const connections = await register(
    'redis',
    openRedis(config.redis, log, {
      ...config.connections,
      blockMs: blockSeconds * 1000,
      rights: 'workers',
      onPing: metrics?.onPing,
    }),
  )
  const redis = await connections.connect('patient')
  const ttlSeconds = config.requestTtlSeconds
  const clock = await register('clock', startClock({ redis, log }))
  const now = (): number => clock.now()
  const catalog = await register(
    'services',
    openLiveCatalog({ registry: createServiceRegistry({ redis, now }), log, now }),
  )
  const controls = await register(
    'controls',
    openLiveControls({ controls: createControlStore({ redis, now }), log }),
  )
  const { closeAfterFailures } = config.server
  const onEnd = createRequestEnds({ redis, closeAfterFailures, log, now })
  const observer = observeEnds(metrics && createWriteObserver(metrics, catalog), onEnd)
  const traceWrite = tracing && createTraceWrite(tracing, catalog)
  const store = createRequestStore({ redis, ttlSeconds, now, log, catalog, observer, traceWrite })
  const channels = await register(
    'channel subscriber',
    createChannelSubscriber({ redis, subscriber: await connections.connect('subscriber'), log }),
  )
  const watcher = await register('request watcher', createRequestWatcher({ store, channels, log, now }))
  const bot = await register('bot client', traceCalls(createBotClient(), tracing))
  const leases = await register('leases of bots', createBotLeases({ redis, log, now }))
  const audit = createAuditLog({ redis, log: auditLog, process: 'workers', now })
  const secret = await register('installation secret', openInstallationSecret(redis))
  void auditChangedSettings({ redis, secret, audit }, 'workers', process.env)
  const queues = await register(
    'queues',
    createQueues({
      redis,
      log,
      queueList: () => queuesOf(catalog).map((queue) => withLimits(queue, controls.current())),
      telemetry: tracing?.queueTelemetry,
      now,
    }),
  )
  return {
    address: connections.address,
    redis,
    now,
    store,
    watcher,
    audit,
    secret,
    otpMailbox: createOtpMailbox({ redis, channels, store, now }),
    deadlineIndex: createDeadlineIndex({ redis }),
    subjectLimiter: createSubjectLimiter({ redis, limits: config.server.subjectLimits, now }),
    bot,
    secretBox: createSecretBox(config.bots.token),
    bots: createBotRouter({ catalog, leases, settings: config.bots, log }),
    runTimes: createRunTimes({
      redis,
      now,
      onError: (error) => log.debug({ err: error }, 'run times could not be read or written'),
    }),
    queues,
    catalog,
    controls,
    tracing,
  }
}

async function startWorkers(
  { config, log, register, shutdown, leaveWhen }: ProcessContext,
  options: WorkerOptions,
  { address, ...parts }: Awaited<ReturnType<typeof openParts>>,
  metrics?: WorkerMetrics,
): Promise<void> {
  const concurrency = options.concurrency ?? config.worker.concurrency
  const { redis, now, catalog, controls, queues } = parts
  const limits = createWorkerLimits(options, async (reason) => {
    log.info({ why: reason }, 'limit reached, finishing what runs')
    await workers.finish()
    shutdown(reason)
  })
  await register('limits', limits)
  const setLimits = (): Promise<void> =>
    queues
      .applyLimits()
      .catch((error: unknown) => log.warn({ err: error }, 'the limits of the queues were not set'))
  await setLimits()
  catalog.onChange(() => void setLimits())
  controls.onChange(() => void setLimits())
  const workers = createQueueWorkers({
    catalog,
    only: options.queue,
    log,
    open: (queue, lane) =>
      createRequestWorker({
        ...parts,
        queue,
        lane,
        concurrency: Math.ceil(concurrency / (queue.lanes ?? 1)),
        onJob: metrics?.openQueue(queue.name),
        tries: options.tries,
        sleepSeconds: options.sleep,
        onAttempt: limits.countAttempt,
        timeoutSeconds: config.bots.timeoutSeconds,
        drainMs: config.drainSeconds * 1000,
        log: log.child({ queue: queue.name }),
      }),
  })
  metrics?.follow(workers, concurrency)
  const rescuer = startRescuer({ ...parts, failures: createFailedRequests({ redis, now }), log })
  await register('rescuer', rescuer)
  const ttlSeconds = config.requestTtlSeconds
  await register(
    'expired requests',
    startRemovingExpired({ redis, queues: parts.queues, ttlSeconds, log, now }),
  )
  redis.on('ready', () => void rescuer.checkAll())
  leaveWhen(() => isAway(redis) && workers.isIdle())
  await register('workers', workers)
  const heartbeat = await register('heartbeat', startHeartbeat({ redis, takenQueues: workers.taken, log }))
  // A queue that has appeared is announced at once.
  catalog.onChange(heartbeat.announce)
  const running = (): number => workers.running().reduce((sum, [, jobs]) => sum + jobs, 0)
  const signs = await register(
    'signs of life',
    startWorkerSigns({ redis, takenQueues: workers.taken, running, slots: concurrency, log, now }),
  )
  redis.on('ready', signs.give)
  log.info({ redis: address, queues: workers.taken() }, 'workers are ready')
}

async function startPushes(
  { config, log, register }: ProcessContext,
  { redis, secret, store, now }: Awaited<ReturnType<typeof openParts>>,
): Promise<void> {
  const client = await register(
    'push client',
    createPushClient({ ...config.push, keys: createVapidKeys(secret) }),
  )
  const subscriptions = createPushSubscriptions({ redis })
  await register('push sender', startPushSender({ store, subscriptions, client, log, now }))
}
