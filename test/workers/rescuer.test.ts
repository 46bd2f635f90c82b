/** The rescuer: fails requests whose worker and bot are dead, and restores lost jobs. */
import { Queue } from 'bullmq'
import { afterAll, describe, expect, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import type { Command } from '../../core/domain/command.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { createDeadlineIndex } from '../../core/store/deadline-index.ts'
import { createFailedRequests } from '../../core/store/failed-requests.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { startRescuer } from '../../workers/rescuer.ts'
import { eventually } from '../helpers/eventually.ts'
import { applyCommands, aRecord, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { catalog } from '../helpers/services.ts'

const { connections } = await useRedis()
const redis = await connections.connect('patient')
const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
const deadlineIndex = createDeadlineIndex({ redis })
const crawls = new Queue('crawls', { connection: redis, prefix: redis.names.queues })
const failures = createFailedRequests({ redis })
const queues = createQueues({ redis, log: quiet, queueList: () => queuesOf(catalog) })

// Several, like the several worker processes of an installation.
const rescuers = [1, 2, 3].map(() =>
  startRescuer({
    store,
    deadlineIndex,
    queues,
    failures,
    catalog,
    log: quiet,
    everyMs: 10,
    now: Date.now,
  }),
)
afterAll(async () => {
  await Promise.all(rescuers.map((rescuer) => rescuer.stop()))
  await crawls.close()
  await queues.stop()
})

/** A request that went through these changes some seconds ago, without a job. */
async function abandoned(
  secondsAgo: number,
  ...changes: (Command | ((now: number) => Command))[]
): Promise<string> {
  const now = Date.now() - secondsAgo * 1000
  const made = changes.map((change) => (typeof change === 'function' ? change(now) : change))
  const record = applyCommands(aRecord({ now, service_slug: 'link-check' }), made, now)
  await store.create(record)
  await deadlineIndex.schedule(record.hash, Date.now())
  return record.hash
}

const recordOf = async (hash: string) => (await store.read(hash))?.record
const waitingJobs = async (hash: string) =>
  [
    ...(await redis.lrange('halfway:crawls:wait', 0, -1)),
    ...(await redis.zrange('halfway:crawls:prioritized', '0', '-1')),
  ].filter((id) => id === hash).length
const scheduledCheck = (hash: string) => redis.zscore('halfway:deadlines', hash)
const START: Command = { type: 'start', attempt: 1, limitSeconds: 60 }
/** A failed attempt, to be retried this many seconds after its start. */
const retryIn =
  (seconds: number) =>
  (startedAt: number): Command => ({
    type: 'retry',
    attempt: 1,
    nextRetryAt: startedAt + seconds * 1000,
    error: { code: 'x', message: 'X', retryable: true },
  })
const REQUIRE_OTP: Command = { type: 'require_otp', attempt: 1, otp: { id: 'otp-1', expires_in: 30 } }

describe('a request without a living worker', () => {
  test('a request without a worker fails once as timed_out after its deadline', async () => {
    const hash = await abandoned(62, START)
    const failed = await eventually(async () => {
      const record = await recordOf(hash)
      expect(record?.status).toBe('failed')
      return record
    })
    expect(failed).toMatchObject({ version: 3, error_data: { code: 'timed_out', retryable: true } })
    await eventually(async () => expect(await scheduledCheck(hash)).toBeNull())
    expect((await recordOf(hash))?.version).toBe(3)
  })

  test('a request without a worker is not failed before its deadline, and checked again then', async () => {
    const hash = await abandoned(55, START)
    await eventually(async () =>
      expect(Number(await scheduledCheck(hash))).toBeGreaterThan(Date.now() + 4000),
    )
    expect(await recordOf(hash)).toMatchObject({ status: 'processing', version: 2 })
  })

  test('a request that waits for a code does not time out', async () => {
    const hash = await abandoned(70, START, REQUIRE_OTP)
    await eventually(async () =>
      expect(Number(await scheduledCheck(hash))).toBeGreaterThan(Date.now() + 1000),
    )
    expect((await recordOf(hash))?.status).toBe('otp_required')
  })

  test('a request whose code never comes fails as otp_expired', async () => {
    const hash = await abandoned(332, START, REQUIRE_OTP)
    await eventually(async () =>
      expect(await recordOf(hash)).toMatchObject({ status: 'failed', error_data: { code: 'otp_expired' } }),
    )
  })

  test('a final or missing request is removed from the deadlines', async () => {
    const final = await abandoned(1, START, { type: 'cancel', by: 'user' })
    await deadlineIndex.schedule('req_never_was_there_at_all', Date.now())
    await eventually(async () => {
      expect(await scheduledCheck(final)).toBeNull()
      expect(await scheduledCheck('req_never_was_there_at_all')).toBeNull()
    })
  })
})

describe('a request whose job was lost', () => {
  test('a lost job is restored once', async () => {
    const hash = await abandoned(1)
    await eventually(async () => expect(await waitingJobs(hash)).toBe(1))
    await eventually(async () =>
      expect(Number(await scheduledCheck(hash))).toBeGreaterThan(Date.now() + 20_000),
    )
    expect(await recordOf(hash)).toMatchObject({ status: 'pending', version: 1 })
    expect(await waitingJobs(hash)).toBe(1)
  })

  test('the lost job of a running or overdue request is restored', async () => {
    const running = await abandoned(1, START)
    const due = await abandoned(7, START, retryIn(1))
    for (const hash of [running, due]) {
      await eventually(async () => expect(await waitingJobs(hash)).toBe(1))
      expect((await recordOf(hash))?.status).toBe('processing')
    }
  })

  test('checkAll restores a job that was lost together with its deadline', async () => {
    const hash = await abandoned(1)
    await deadlineIndex.remove(hash)
    await eventually(async () => expect(await scheduledCheck(hash)).toBeNull())
    await rescuers[0]?.checkAll()
    await eventually(async () => expect(await waitingJobs(hash)).toBe(1))
  })

  test('no job is restored before the next attempt is due or the code is submitted', async () => {
    const retried = await abandoned(1, START, retryIn(4))
    const asked = await abandoned(1, START, {
      type: 'require_otp',
      attempt: 1,
      otp: { id: 'otp-1', recall: true },
    })
    for (const hash of [retried, asked]) {
      await eventually(async () =>
        expect(Number(await scheduledCheck(hash))).toBeGreaterThan(Date.now() + 1000),
      )
      expect(await redis.exists(`halfway:crawls:${hash}`)).toBe(0)
    }
  })
})

describe('a job that is delayed for too long', () => {
  test('an overdue job, delayed by a machine with a wrong clock, is promoted', async () => {
    const hash = await abandoned(7, START, retryIn(1))
    await crawls.add('request', { hash }, { jobId: hash, delay: 600_000 })
    await deadlineIndex.schedule(hash, Date.now())
    await eventually(async () => expect(await crawls.getJobState(hash)).toBe('waiting'))
    expect(await waitingJobs(hash)).toBe(1)
  })

  test('a delayed job is not promoted before its request is due', async () => {
    const hash = await abandoned(4, START, retryIn(1))
    await crawls.add('request', { hash }, { jobId: hash, delay: 600_000 })
    await deadlineIndex.schedule(hash, Date.now())
    await eventually(async () =>
      expect(Number(await scheduledCheck(hash))).toBeGreaterThan(Date.now() + 1000),
    )
    expect(await crawls.getJobState(hash)).toBe('delayed')
  })

  test('an active job is left alone', async () => {
    const hash = await abandoned(1, START)
    // As BullMQ has it while a worker holds the lock.
    await redis.hset(`halfway:crawls:${hash}`, { name: 'request', data: '{}', opts: '{}' })
    await redis.lrem('halfway:crawls:wait', 0, hash)
    await redis.lpush('halfway:crawls:active', hash)
    await deadlineIndex.schedule(hash, Date.now())
    await eventually(async () =>
      expect(Number(await scheduledCheck(hash))).toBeGreaterThan(Date.now() + 1000),
    )
    expect(await crawls.getJobState(hash)).toBe('active')
    expect(await waitingJobs(hash)).toBe(0)
  })
})
