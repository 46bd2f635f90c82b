/** The workers' process: `npm run start:workers`. One BullMQ worker for each queue it takes jobs from. */

import { createOtpMailbox } from '../core/actions/otp-mailbox.ts'
import { allQueues, findService } from '../core/catalog/index.ts'
import { createChannelSubscriber } from '../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../core/pubsub/request-watcher.ts'
import { BLOCK_SECONDS, createQueues } from '../core/queue/queues.ts'
import { startHeartbeat } from '../core/queue/worker-heartbeat.ts'
import { isAway } from '../core/redis/away.ts'
import { startClock } from '../core/redis/clock.ts'
import { openRedis } from '../core/redis/connect.ts'
import { runProcess } from '../core/runtime/process.ts'
import { createDeadlines } from '../core/store/deadline-index.ts'
import { createFailures } from '../core/store/failed-requests.ts'
import { createRequestStore } from '../core/store/request-store.ts'
import { createSubjects } from '../core/store/subject-limits.ts'
import { createBotClient } from './bot-client.ts'
import { readOptions } from './options.ts'
import { createRequestWorker } from './request-worker.ts'
import { startRescuer } from './rescuer.ts'
import { createWorkerLimits } from './worker-limits.ts'

await runProcess(
  { name: 'workers', env: process.env },
  async ({ config, log, register, shutdown, leaveWhen }) => {
    const options = readOptions(process.argv.slice(2), allQueues())
    if (!options) return shutdown('only help was asked for')
    const { tries, sleep: sleepSeconds = BLOCK_SECONDS } = options
    const taken = allQueues().filter(({ name }) => options.queue?.includes(name) ?? true)

    const blockMs = sleepSeconds * 1000
    const connections = await register(
      'redis',
      openRedis(config.redis, log, { ...config.connections, blockMs }),
    )
    const redis = await connections.connect('patient')
    const ttlSeconds = config.requestTtlSeconds
    const clock = await register('clock', startClock({ redis, log }))
    const now = (): number => clock.now()
    const store = createRequestStore({ redis, ttlSeconds, now, log })
    const bus = await register(
      'update bus',
      createChannelSubscriber({ redis, subscriber: await connections.connect('subscriber'), log }),
    )
    const live = await register('live requests', createRequestWatcher({ store, bus, log, ttlSeconds, now }))
    const otpBox = createOtpMailbox({ redis, bus, store, now })
    const deadlines = createDeadlines({ redis })
    const bot = await register(
      'bot client',
      createBotClient({ url: config.bots.url, token: config.bots.token }),
    )
    const queues = await register('queues', createQueues({ redis, log, now }))
    await queues.applyLimits()

    const limits = createWorkerLimits(options, async (why) => {
      log.info({ why }, 'this is enough, finishing what runs')
      await Promise.all(workers.map((worker) => worker.finish()))
      shutdown(why)
    })
    await register('limits', limits)
    const workers = taken.map((queue) =>
      createRequestWorker({
        queue,
        queues,
        redis,
        store,
        live,
        otpBox,
        deadlines,
        subjects: createSubjects({ redis, limits: config.server.subjectLimits, now }),
        bot,
        findService,
        concurrency: options.concurrency ?? config.worker.concurrency,
        tries,
        sleepSeconds,
        onAttempt: limits.count,
        timeoutSeconds: config.bots.timeoutSeconds,
        drainMs: config.drainSeconds * 1000,
        log: log.child({ queue: queue.name }),
        now,
      }),
    )
    const rescuer = startRescuer({
      store,
      deadlines,
      queues,
      failures: createFailures({ redis, now }),
      findService,
      log,
      now,
    })
    await register('rescuer', rescuer)
    redis.on('ready', () => void rescuer.checkAll())
    leaveWhen(() => isAway(redis) && workers.every((worker) => worker.isIdle()))
    await register('workers', {
      stop: async () => void (await Promise.all(workers.map((worker) => worker.stop()))),
    })
    await register(
      'sign of life',
      startHeartbeat({
        redis,
        takenQueues: () => taken.filter((_, i) => workers[i]?.isTaking()).map(({ name }) => name),
        log,
      }),
    )
    log.info({ redis: connections.address, queues: taken.map(({ name }) => name) }, 'workers are ready')
  },
)
