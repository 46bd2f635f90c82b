/** The workers' process: `npm run start:workers`. One BullMQ worker for each queue that services use. */
import { runProcess } from '../core/process.ts'
import { startClock } from '../core/redis/clock.ts'
import { openRedis } from '../core/redis/connect.ts'
import { createDeadlines } from '../core/redis/deadlines.ts'
import { createLiveRequests } from '../core/redis/live-requests.ts'
import { createOtpBox } from '../core/redis/otp-box.ts'
import { createQueues } from '../core/redis/queues.ts'
import { createRequestStore } from '../core/redis/request-store.ts'
import { createUpdateBus } from '../core/redis/update-bus.ts'
import { announceWorker } from '../core/redis/workers-alive.ts'
import { allQueues, findService } from '../core/services/index.ts'
import { createBotClient } from './bot-client.ts'
import { createRequestWorker } from './request-worker.ts'
import { startRescuer } from './rescuer.ts'

await runProcess({ name: 'workers', env: process.env }, async ({ config, log, use }) => {
  const connections = await use('redis', openRedis(config.redis, log))
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

  const workers = allQueues().map((queue) =>
    createRequestWorker({
      queue,
      prefix: config.queuePrefix,
      redis,
      store,
      live,
      otpBox,
      deadlines,
      bot,
      findService,
      concurrency: config.worker.concurrency,
      timeoutSeconds: config.bots.timeoutSeconds,
      drainMs: config.drainSeconds * 1000,
      log: log.child({ queue }),
      now,
    }),
  )
  const queues = await use('queues', createQueues({ redis, prefix: config.queuePrefix, log }))
  const rescuer = startRescuer({ store, deadlines, queues, findService, log, now })
  await use('rescuer', rescuer)
  redis.on('ready', () => void rescuer.lookAtAll())
  await use('workers', { stop: async () => void (await Promise.all(workers.map((worker) => worker.stop()))) })
  await use(
    'sign of life',
    announceWorker({ redis, isTaking: () => workers.every((worker) => worker.isTaking()), log }),
  )
  log.info({ redis: connections.address, queues: allQueues() }, 'workers are ready')
})
