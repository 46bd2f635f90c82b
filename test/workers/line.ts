/** Test queues with their own service, real workers, and a foreign bot that they call. */

import { createCatalog } from '../../core/catalog/catalog.ts'
import type { ServiceQueue } from '../../core/catalog/queue-definition.ts'
import type { Service, ServiceDefinition } from '../../core/catalog/service-definition.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { isFinal, type RequestRecord } from '../../core/domain/record.ts'
import { createQueues, type Queues } from '../../core/queue/queues.ts'
import type { RedisClient } from '../../core/redis/connect.ts'
import { createSecretBox } from '../../core/runtime/secret-box.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import { createRunTimes } from '../../core/store/run-times.ts'
import { createSubjectLimiter } from '../../core/store/subject-limits.ts'
import { createBotClient } from '../../workers/bot-client.ts'
import {
  createRequestWorker,
  type RequestWorker,
  type RequestWorkerDeps,
} from '../../workers/request-worker.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { aHash, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, type TestRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { toService } from '../helpers/services.ts'
import { type Reply, useForeignBot } from './foreign-bot.ts'
import { onlyBot, TOKEN } from './one-bot.ts'

export interface Submitted {
  submitter?: string
  replies?: Reply[]
  /** Milliseconds from now. */
  inMs?: number
  ttlSeconds?: number
}

export interface Line {
  readonly queue: ServiceQueue
  readonly queues: Queues
  readonly service: Service
  submit(what?: Submitted): Promise<string>
  /** Starts another worker; its concurrency is 1 by default. */
  work(deps?: Partial<RequestWorkerDeps>): RequestWorker
}

let made = 0

/** To be awaited at the top of a test file. */
export async function useLines(redis: TestRedis) {
  const { client, store, watcher, otpMailbox } = await useRequests(redis)
  const bot = await useForeignBot()
  const deadlineIndex = createDeadlineIndex({ redis: client })
  const subjectLimiter = createSubjectLimiter({
    redis: client,
    limits: { codesPerHour: 5, wrongCodesPerHour: 10 },
  })

  function useLine({
    limits = {},
    ...fields
  }: Partial<ServiceDefinition> & { limits?: Partial<ServiceQueue> } = {}): Line {
    const name = `line-${++made}`
    const queue: ServiceQueue = { name, ...limits }
    const service = toService({
      slug: name,
      title: name,
      steps: [{ id: 'first', title: name }],
      backoff: { type: 'fixed', seconds: 0.05, jitter: 0 },
      queue,
      ...fields,
    })
    const queues = createQueues({ redis: client, log: quiet, queueList: () => [queue] })
    cleanUp(() => queues.stop())
    return {
      queue,
      queues,
      service,
      async submit({ submitter = 'ann', replies = [], inMs = 0, ttlSeconds = TTL_SECONDS } = {}) {
        const now = Date.now()
        const hash = aHash(now)
        const runAt = inMs > 0 ? now + inMs : null
        const record = createRecord({
          hash,
          service,
          requestData: {},
          sessionId: null,
          submitter,
          runAt,
          now,
          ttlSeconds,
        })
        bot.replies(hash, ...replies)
        await store.create(record)
        await queues.add(record, service)
        return hash
      },
      work(deps = {}) {
        const calls = createBotClient()
        const worker = createRequestWorker({
          queue,
          queues,
          redis: client,
          store,
          watcher,
          otpMailbox,
          deadlineIndex,
          subjectLimiter,
          bot: calls,
          bots: onlyBot(bot.url),
          secretBox: createSecretBox(TOKEN),
          runTimes: createRunTimes({ redis: client }),
          catalog: createCatalog([service]),
          concurrency: 1,
          timeoutSeconds: 30,
          drainMs: 0,
          log: quiet,
          now: Date.now,
          ...deps,
        })
        cleanUp(() => worker.stop().then(() => calls.stop()))
        return worker
      },
    }
  }

  const record = async (hash: string): Promise<RequestRecord> => {
    const stored = await store.read(hash)
    if (!stored) throw new Error('the record is missing')
    return stored.record
  }
  return {
    client: client as RedisClient,
    bot,
    useLine,
    record,
    ended: (hash: string): Promise<RequestRecord> =>
      eventually(async () => {
        const found = await record(hash)
        if (!isFinal(found.status)) throw new Error(`it is ${found.status}`)
        return found
      }),
    /** The hashes of the calls to the bot, in the order of the calls. */
    callsInOrder: (hashes: readonly string[]): string[] =>
      hashes
        .flatMap((hash) => bot.calls(hash).map((call) => ({ hash, at: call.at })))
        .sort((a, b) => a.at - b.at)
        .map(({ hash }) => hash),
  }
}
