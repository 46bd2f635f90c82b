/** A real worker on a real queue, calling a foreign bot over HTTP. */
import { expect } from 'vitest'
import { createOtpMailbox } from '../../core/actions/otp-mailbox.ts'
import { createCatalog } from '../../core/catalog/catalog.ts'
import type { Service, ServiceDefinition } from '../../core/catalog/service-definition.ts'
import type { Command } from '../../core/domain/command.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import { isFinal, type PublicView, type RequestRecord } from '../../core/domain/record.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../../core/pubsub/request-watcher.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { createSecretBox } from '../../core/runtime/secret-box.ts'
import { createAuditLog, readAuditLog } from '../../core/store/audit-log.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { createRunTimes } from '../../core/store/run-times.ts'
import { createSubjectLimiter } from '../../core/store/subject-limits.ts'
import { createBotClient } from '../../workers/bot-client.ts'
import { createRequestWorker, type RequestWorkerDeps } from '../../workers/request-worker.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { aHash, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { creditScoreRating, linkCheck, toService } from '../helpers/services.ts'
import { useForeignBot } from './foreign-bot.ts'
import { onlyBot, TOKEN } from './one-bot.ts'

export const PREFIX = 'halfway'

const aService = (slug: string, fields: Partial<ServiceDefinition> = {}): Service =>
  toService({
    slug,
    title: slug,
    steps: ['first', 'second'].map((id) => ({ id, title: id })),
    backoff: { seconds: 0.02, jitter: 0 },
    queue: creditScoreRating.queue,
    ...fields,
  })

export const STEADY = aService('steady')
/** With a short time limit, in which a busy machine can still call the bot and ask for a code. */
export const HURRIED = { ...aService('hurried'), limit_seconds: 0.8 }
/** With a retry delay longer than any test. */
export const PATIENT = aService('patient', { backoff: { seconds: 25, jitter: 0 } })
/** With retry delays long enough to be distinguished from the time that writing takes. */
export const MEASURED = aService('measured', { backoff: { seconds: 0.2, jitter: 0 } })
export const ONCE = aService('once', { tries: 1 })
const services = createCatalog([STEADY, HURRIED, PATIENT, MEASURED, ONCE])

/** The delay before the next attempt, as the view states it, in milliseconds. */
export const delayOf = (view: PublicView): number =>
  Date.parse(view.next_retry_at ?? '') - Date.parse(view.updated_at)

/** A worker at the queue of the credit score, which runs until the end of the file. To be awaited at the top of a test file. */
export async function useRequestWorker() {
  const { connections } = await useRedis()
  const redis = await connections.connect('patient')
  const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
  const channels = createChannelSubscriber({
    redis,
    subscriber: await connections.connect('subscriber'),
    log: quiet,
  })
  const watcher = createRequestWatcher({ store, channels, log: quiet })
  const otpMailbox = createOtpMailbox({ redis, channels, store })
  const deadlineIndex = createDeadlineIndex({ redis })
  const subjectLimiter = createSubjectLimiter({ redis, limits: { codesPerHour: 5, wrongCodesPerHour: 10 } })
  const queues = createQueues({
    redis,
    log: quiet,
    queueList: () => [creditScoreRating.queue, linkCheck.queue],
  })
  const bot = await useForeignBot()

  const startWorker = ({ url = bot.url, ...fields }: Partial<RequestWorkerDeps> & { url?: string } = {}) => {
    const client = createBotClient()
    const worker = createRequestWorker({
      queue: creditScoreRating.queue,
      queues,
      redis,
      store,
      watcher,
      otpMailbox,
      deadlineIndex,
      subjectLimiter,
      bot: client,
      bots: onlyBot(url),
      secretBox: createSecretBox(TOKEN),
      audit: createAuditLog({ redis, log: quiet, process: 'workers' }),
      runTimes: createRunTimes({ redis }),
      catalog: services,
      concurrency: 10,
      timeoutSeconds: 30,
      drainMs: 5000,
      log: quiet,
      now: Date.now,
      ...fields,
    })
    return {
      isConsuming: worker.isConsuming,
      async stop() {
        await worker.stop()
        await client.stop()
      },
    }
  }

  const worker = startWorker({ drainMs: 0 })
  cleanUp(async () => {
    await worker.stop()
    watcher.stop()
    channels.stop()
    await queues.stop()
  })

  /** A record without its job. */
  async function makeRecord(service: Service, ttlSeconds = TTL_SECONDS): Promise<string> {
    const now = Date.now()
    const hash = aHash(now)
    const requestData = { mobile: '09123456789' }
    await store.create(createRecord({ hash, service, requestData, sessionId: 'a-session', now, ttlSeconds }))
    return hash
  }

  /** Submits a request as the server does, and collects every view published from then on. */
  async function submit({
    service = STEADY,
    queue = creditScoreRating.queue,
    replies = [] as Parameters<typeof bot.replies>[1][],
  } = {}) {
    const hash = await makeRecord(service)
    bot.replies(hash, ...replies)
    const views: PublicView[] = []
    await watcher.watch(hash, { onUpdate: ({ view }) => views.push(view), onExpired: () => {} })
    await queues.add(await record(hash), { queue })
    return { hash, views }
  }

  /** What the audit log has of a request. */
  const audited = async (hash: string) =>
    (await readAuditLog(redis, { now: Date.now() })).filter(({ request }) => request === shortReference(hash))

  async function record(hash: string): Promise<RequestRecord> {
    const stored = await store.read(hash)
    if (!stored) throw new Error('the record is missing')
    return stored.record
  }

  const ended = (hash: string): Promise<RequestRecord> => {
    return eventually(async () => {
      const found = await record(hash)
      expect(isFinal(found.status), found.status).toBe(true)
      return found
    })
  }

  const inStatus = (hash: string, status: RequestRecord['status']): Promise<RequestRecord> =>
    eventually(async () => {
      const found = await record(hash)
      expect(found.status).toBe(status)
      return found
    })

  /** Writes what a bot or the server would write meanwhile. */
  async function apply(hash: string, command: Command): Promise<void> {
    const outcome = await store.apply(hash, command)
    expect(outcome).toMatchObject({ ok: true })
    // As the server does.
    if (command.type === 'submit_otp' || command.type === 'resend_otp')
      await queues.promote(await record(hash), { queue: creditScoreRating.queue })
    if (command.type === 'cancel') await queues.remove(hash, creditScoreRating.queue).catch(() => {})
  }

  /** The contents of the queues, without their event streams, which hold ids only and are trimmed by BullMQ. */
  const queueContents = async (): Promise<string> => {
    await redis.del(`${PREFIX}:inquiries:events`, `${PREFIX}:crawls:events`)
    const contents = ['inquiries', 'crawls'].map((queue) => redisContents(redis, `${PREFIX}:${queue}:*`))
    return (await Promise.all(contents)).join()
  }

  return {
    redis,
    store,
    otpMailbox,
    queues,
    bot,
    startWorker,
    makeRecord,
    submit,
    audited,
    record,
    ended,
    inStatus,
    apply,
    queueContents,
  }
}
