/** The workers' process: `npm run start:workers`. One BullMQ worker for each queue it takes jobs from. */

import { createOtpBox } from '../core/actions/otp-mailbox.ts'
import { allQueues, findService } from '../core/catalog/index.ts'
import { createUpdateBus } from '../core/pubsub/channel-subscriber.ts'
import { createLiveRequests } from '../core/pubsub/request-watcher.ts'
import { createQueues, SLEEP_SECONDS } from '../core/queue/queues.ts'
import { announceWorker } from '../core/queue/worker-heartbeat.ts'
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
import { startLimits } from './worker-limits.ts'

await runProcess({ name: 'workers', env: process.env }, async ({ config, log, use, end, leaveWhen }) => {
  const options = readOptions(process.argv.slice(2), allQueues())
  if (!options) return end('only help was asked for')
  const { tries, sleep: sleepSeconds = SLEEP_SECONDS } = options
  const taken = allQueues().filter(({ name }) => options.queue?.includes(name) ?? true)

  const blockMs = sleepSeconds * 1000
  const connections = await use('redis', openRedis(config.redis, log, { ...config.connections, blockMs }))
  const redis = await connections.connect('patient')
  const ttlSeconds = config.requestTtlSeconds
  const clock = await use('clock', startClock({ redis, log }))
  const now = (): number => clock.now()
  const store = createRequestStore({ redis, ttlSeconds, now, log })
  const bus = await use(
    'update bus',
    createUpdateBus({ redis, subscriber: await connections.connect('subscriber'), log }),
  )
  const live = await use('live requests', createLiveRequests({ store, bus, log, ttlSeconds, now }))
  const otpBox = createOtpBox({ redis, bus, store, now })
  const deadlines = createDeadlines({ redis })
  const bot = await use('bot client', createBotClient({ url: config.bots.url, token: config.bots.token }))
  const queues = await use('queues', createQueues({ redis, log, now }))
  await queues.limit()

  const limits = startLimits(options, async (why) => {
    log.info({ why }, 'this is enough, finishing what runs')
    await Promise.all(workers.map((worker) => worker.finish()))
    end(why)
  })
  await use('limits', limits)
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
      onTurn: limits.count,
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
  await use('rescuer', rescuer)
  redis.on('ready', () => void rescuer.lookAtAll())
  leaveWhen(() => isAway(redis) && workers.every((worker) => worker.isIdle()))
  await use('workers', { stop: async () => void (await Promise.all(workers.map((worker) => worker.stop()))) })
  await use(
    'sign of life',
    announceWorker({
      redis,
      takenQueues: () => taken.filter((_, i) => workers[i]?.isTaking()).map(({ name }) => name),
      log,
    }),
  )
  log.info({ redis: connections.address, queues: taken.map(({ name }) => name) }, 'workers are ready')
})
