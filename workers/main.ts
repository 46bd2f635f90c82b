/** The workers' process: `npm run start:workers`. One BullMQ worker for each queue that services use. */
import { runProcess } from '../core/process.ts'
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
  const store = createRequestStore({ redis, ttlSeconds })
  const bus = await use(
    'update bus',
    createUpdateBus({ subscriber: await connections.connect('subscriber'), log }),
  )
  const live = await use('live requests', createLiveRequests({ store, bus, log, ttlSeconds }))
  const otpBox = createOtpBox({ redis, bus, store })
  const bot = await use('bot client', createBotClient({ url: config.bots.url, token: config.bots.token }))

  const workers = allQueues().map((queue) =>
    createRequestWorker({
      queue,
      prefix: config.queuePrefix,
      redis,
      store,
      live,
      otpBox,
      bot,
      findService,
      concurrency: config.worker.concurrency,
      timeoutSeconds: config.bots.timeoutSeconds,
      log: log.child({ queue }),
    }),
  )
  const queues = await use('queues', createQueues({ redis, prefix: config.queuePrefix, log }))
  await use(
    'rescuer',
    startRescuer({ store, deadlines: createDeadlines({ redis }), queues, findService, log }),
  )
  await use('workers', { stop: async () => void (await Promise.all(workers.map((worker) => worker.stop()))) })
  await use(
    'sign of life',
    announceWorker({ redis, isTaking: () => workers.every((worker) => worker.isTaking()), log }),
  )
  log.info({ redis: connections.address, queues: allQueues() }, 'workers are ready')
})
