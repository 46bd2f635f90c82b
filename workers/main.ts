/**
 * The workers' process: `npm run start:workers`. One BullMQ worker for each selected queue, and a rescuer. Queues come and
 * go with the services that bots announce.
 */

import { createOtpMailbox } from '../core/actions/otp-mailbox.ts'
import { queuesOf } from '../core/catalog/catalog.ts'
import { createSecretBox } from '../core/domain/secret-box.ts'
import { createChannelSubscriber } from '../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../core/pubsub/request-watcher.ts'
import { BLOCK_SECONDS } from '../core/queue/bullmq.ts'
import { createQueues } from '../core/queue/queues.ts'
import { startHeartbeat } from '../core/queue/worker-heartbeat.ts'
import { isAway } from '../core/redis/away.ts'
import { startClock } from '../core/redis/clock.ts'
import { openRedis } from '../core/redis/connect.ts'
import { type ProcessContext, runProcess } from '../core/runtime/process.ts'
import { createBotLeases } from '../core/store/bot-leases.ts'
import { createDeadlineIndex } from '../core/store/deadline-index.ts'
import { createFailedRequests } from '../core/store/failed-requests.ts'
import { openLiveCatalog } from '../core/store/live-catalog.ts'
import { createRequestStore } from '../core/store/request-store.ts'
import { createServiceRegistry } from '../core/store/service-registry.ts'
import { createSubjectLimiter } from '../core/store/subject-limits.ts'
import { createBotClient } from './bot-client.ts'
import { createBotRouter } from './bot-router.ts'
import { parseWorkerOptions, type WorkerOptions } from './options.ts'
import { createQueueWorkers } from './queue-workers.ts'
import { createRequestWorker } from './request-worker.ts'
import { startRescuer } from './rescuer.ts'
import { createWorkerLimits } from './worker-limits.ts'

await runProcess({ name: 'workers', env: process.env }, async (context) => {
  const options = parseWorkerOptions(process.argv.slice(2))
  if (!options) return context.shutdown('only --help was requested')
  const parts = await openParts(context, options.sleep ?? BLOCK_SECONDS)
  await startWorkers(context, options, parts)
})

/** What all workers of the process share. */
async function openParts({ config, log, register }: ProcessContext, blockSeconds: number) {
  const connections = await register(
    'redis',
    openRedis(config.redis, log, { ...config.connections, blockMs: blockSeconds * 1000 }),
  )
  const redis = await connections.connect('patient')
  const ttlSeconds = config.requestTtlSeconds
  const clock = await register('clock', startClock({ redis, log }))
  const now = (): number => clock.now()
  const catalog = await register(
    'services',
    openLiveCatalog({ registry: createServiceRegistry({ redis, now }), log, now }),
  )
  const store = createRequestStore({ redis, ttlSeconds, now, log, catalog })
  const channels = await register(
    'channel subscriber',
    createChannelSubscriber({ redis, subscriber: await connections.connect('subscriber'), log }),
  )
  const watcher = await register(
    'request watcher',
    createRequestWatcher({ store, channels, log, ttlSeconds, now }),
  )
  const bot = await register('bot client', createBotClient())
  const leases = await register('leases of bots', createBotLeases({ redis, log, now }))
  const queues = await register(
    'queues',
    createQueues({ redis, log, queueList: () => queuesOf(catalog), now }),
  )
  return {
    address: connections.address,
    redis,
    now,
    store,
    watcher,
    otpMailbox: createOtpMailbox({ redis, channels, store, now }),
    deadlineIndex: createDeadlineIndex({ redis }),
    subjectLimiter: createSubjectLimiter({ redis, limits: config.server.subjectLimits, now }),
    bot,
    secretBox: createSecretBox(config.bots.token),
    bots: createBotRouter({ catalog, leases, settings: config.bots, log }),
    queues,
    catalog,
  }
}

async function startWorkers(
  { config, log, register, shutdown, leaveWhen }: ProcessContext,
  options: WorkerOptions,
  { address, ...parts }: Awaited<ReturnType<typeof openParts>>,
): Promise<void> {
  const { redis, now, catalog, queues } = parts
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
  const workers = createQueueWorkers({
    catalog,
    only: options.queue,
    log,
    open: (queue) =>
      createRequestWorker({
        ...parts,
        queue,
        concurrency: options.concurrency ?? config.worker.concurrency,
        tries: options.tries,
        sleepSeconds: options.sleep,
        onAttempt: limits.countAttempt,
        timeoutSeconds: config.bots.timeoutSeconds,
        drainMs: config.drainSeconds * 1000,
        log: log.child({ queue: queue.name }),
      }),
  })
  const rescuer = startRescuer({ ...parts, failures: createFailedRequests({ redis, now }), log })
  await register('rescuer', rescuer)
  redis.on('ready', () => void rescuer.checkAll())
  leaveWhen(() => isAway(redis) && workers.isIdle())
  await register('workers', workers)
  const heartbeat = await register('heartbeat', startHeartbeat({ redis, takenQueues: workers.taken, log }))
  // A queue that has appeared is announced at once.
  catalog.onChange(heartbeat.announce)
  log.info({ redis: address, queues: workers.taken() }, 'workers are ready')
}
