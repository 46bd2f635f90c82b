/** The workers' process: `npm run start:workers`. One BullMQ worker for each selected queue, and a rescuer. */

import { createOtpMailbox } from '../core/actions/otp-mailbox.ts'
import { allQueues, findService } from '../core/catalog/index.ts'
import { createChannelSubscriber } from '../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../core/pubsub/request-watcher.ts'
import { BLOCK_SECONDS } from '../core/queue/bullmq.ts'
import { createQueues } from '../core/queue/queues.ts'
import { startHeartbeat } from '../core/queue/worker-heartbeat.ts'
import { isAway } from '../core/redis/away.ts'
import { startClock } from '../core/redis/clock.ts'
import { openRedis } from '../core/redis/connect.ts'
import { type ProcessContext, runProcess } from '../core/runtime/process.ts'
import { createDeadlineIndex } from '../core/store/deadline-index.ts'
import { createFailedRequests } from '../core/store/failed-requests.ts'
import { createRequestStore } from '../core/store/request-store.ts'
import { createSubjectLimiter } from '../core/store/subject-limits.ts'
import { createBotClient } from './bot-client.ts'
import { parseWorkerOptions, type WorkerOptions } from './options.ts'
import { createRequestWorker } from './request-worker.ts'
import { startRescuer } from './rescuer.ts'
import { createWorkerLimits } from './worker-limits.ts'

await runProcess({ name: 'workers', env: process.env }, async (context) => {
  const options = parseWorkerOptions(process.argv.slice(2), allQueues())
  if (!options) return context.shutdown('only --help was requested')
  const parts = await openParts(context, options.sleep ?? BLOCK_SECONDS)
  await parts.queues.applyLimits()
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
  const store = createRequestStore({ redis, ttlSeconds, now, log })
  const channels = await register(
    'channel subscriber',
    createChannelSubscriber({ redis, subscriber: await connections.connect('subscriber'), log }),
  )
  const watcher = await register(
    'request watcher',
    createRequestWatcher({ store, channels, log, ttlSeconds, now }),
  )
  const bot = await register(
    'bot client',
    createBotClient({ url: config.bots.url, token: config.bots.token }),
  )
  const queues = await register('queues', createQueues({ redis, log, now }))
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
    queues,
    findService,
  }
}

async function startWorkers(
  { config, log, register, shutdown, leaveWhen }: ProcessContext,
  options: WorkerOptions,
  { address, ...parts }: Awaited<ReturnType<typeof openParts>>,
): Promise<void> {
  const { redis, now } = parts
  const selected = allQueues().filter(({ name }) => options.queue?.includes(name) ?? true)
  const limits = createWorkerLimits(options, async (reason) => {
    log.info({ why: reason }, 'limit reached, finishing what runs')
    await Promise.all(workers.map((worker) => worker.finish()))
    shutdown(reason)
  })
  await register('limits', limits)
  const workers = selected.map((queue) =>
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
  )
  const rescuer = startRescuer({ ...parts, failures: createFailedRequests({ redis, now }), log })
  await register('rescuer', rescuer)
  redis.on('ready', () => void rescuer.checkAll())
  leaveWhen(() => isAway(redis) && workers.every((worker) => worker.isIdle()))
  await register('workers', {
    stop: async () => void (await Promise.all(workers.map((worker) => worker.stop()))),
  })
  const queuesTaken = () => selected.filter((_, i) => workers[i]?.isConsuming()).map(({ name }) => name)
  await register('heartbeat', startHeartbeat({ redis, takenQueues: queuesTaken, log }))
  log.info({ redis: address, queues: selected.map(({ name }) => name) }, 'workers are ready')
}
