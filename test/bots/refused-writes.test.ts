/** Redis refuses writes for a moment while bots report: no work is done twice. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Handle } from '../../bots/bot-server/define-service.ts'
import { createRunRegistry, type RunRegistry } from '../../bots/bot-server/run-registry.ts'
import { createUpdater, type Updater } from '../../bots/updater.ts'
import type { RequestRecord } from '../../core/domain/record.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { createRequestStore, type RequestStore } from '../../core/store/request-store.ts'
import { eventually } from '../helpers/eventually.ts'
import { noTasks } from '../helpers/no-tasks.ts'
import { aRecord, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, quiet } from '../helpers/redis.ts'
import { type RedisProcess, startSingle } from '../helpers/redis-servers.ts'

describe.skipIf(!onRealRedis)('while Redis refuses writes', { timeout: 20_000 }, () => {
  let redis: RedisProcess
  let store: RequestStore
  let updater: Updater
  let runs: RunRegistry
  let stopRedis: () => Promise<void>
  /** How often the handler was started, by request. */
  const starts = new Map<string, number>()
  const reported: string[] = []
  const resume = new Map<string, () => void>()

  const order: Handle = async (_data, request) => {
    starts.set(request.hash, (starts.get(request.hash) ?? 0) + 1)
    await new Promise<void>((resolve) => resume.set(request.hash, resolve))
    await request.updateProgress(50)
    reported.push(request.hash)
    return { order: 17 }
  }

  beforeAll(async () => {
    redis = await startSingle()
    const url = redis.settings.REDIS_URL as string
    updater = await createUpdater({ redis: url, log: quiet })
    const connections = await openRedis({ kind: 'single', url }, quiet)
    stopRedis = connections.stop
    store = createRequestStore({ redis: await connections.connect('patient'), ttlSeconds: TTL_SECONDS })
    runs = createRunRegistry({
      updater,
      handlers: new Map([['order', order]]),
      concurrency: noTasks,
      log: quiet,
    })
  })
  afterAll(async () => {
    await runs.stop()
    await updater.stop()
    await stopRedis()
  })

  const refuseWrites = () => redis.run('CONFIG', 'SET', 'min-replicas-to-write', 1)
  const acceptWrites = () => redis.run('CONFIG', 'SET', 'min-replicas-to-write', 0)
  const refusedWrites = async (): Promise<number> =>
    Number(/errorstat_NOREPLICAS:count=(\d+)/.exec(String(await redis.run('INFO', 'errorstats')))?.[1] ?? 0)
  const nextRefusals = async (count: number): Promise<void> => {
    const before = await refusedWrites()
    await eventually(async () => expect(await refusedWrites()).toBeGreaterThanOrEqual(before + count))
  }
  const read = async (hash: string): Promise<RequestRecord | undefined> => (await store.read(hash))?.record
  async function started(): Promise<string> {
    const { hash } = aRecord()
    await store.create(aRecord({ hash }))
    await store.apply(hash, START)
    return hash
  }

  it('a progress update is dropped while Redis refuses writes, and the bot continues', async () => {
    const hash = await started()
    await refuseWrites()
    await updater.updateProgress(hash, 40)
    await acceptWrites()
    expect(await read(hash)).toMatchObject({ status: 'processing', progress: 0 })
  })

  it('code prompts, results and failures are written as soon as Redis accepts writes again', async () => {
    const [asking, completing, failing] = [await started(), await started(), await started()]
    for (const hash of [asking, completing, failing]) await updater.updateProgress(hash, 1)
    await refuseWrites()
    const writes = [
      updater.markAsOtpRequired(asking, { length: 6 }),
      updater.markAsCompleted(completing, { order: 17 }),
      updater.markAsFailed(failing, 'It is closed.', { code: 'closed' }),
    ]
    await nextRefusals(6)
    await acceptWrites()
    await Promise.all(writes)
    expect(await read(asking)).toMatchObject({ status: 'otp_required' })
    expect(await read(completing)).toMatchObject({ status: 'completed', result_data: { order: 17 } })
    expect(await read(failing)).toMatchObject({ status: 'failed', error_data: { code: 'closed' } })
  })

  it('a code that was typed is taken from Redis as soon as it accepts writes again', async () => {
    const hash = await started()
    await updater.markAsOtpRequired(hash, { length: 6 })
    await refuseWrites()
    const code = updater.waitForOtp(hash)
    await nextRefusals(2)
    await acceptWrites()
    await store.apply(hash, { type: 'submit_otp', otp: '123456' })
    expect(await code).toBe('123456')
  })

  it('an unstored result is answered to the next call after its caller disconnected, and the work is done once', async () => {
    const hash = await started()
    const caller = new AbortController()
    const call = { slug: 'order', hash, data: {} }
    const first = runs.run({ ...call, attempt: 1, caller: caller.signal })
    await eventually(() => expect(starts.get(hash)).toBe(1))
    await refuseWrites()
    resume.get(hash)?.()
    await eventually(() => expect(reported).toContain(hash))
    caller.abort()
    expect(await first).toMatchObject({ status: 'success', data: { order: 17 } })

    await acceptWrites()
    await store.apply(hash, { type: 'start', attempt: 2 })
    const answer = await runs.run({ ...call, attempt: 2, caller: new AbortController().signal })
    expect(answer).toMatchObject({ status: 'success', data: { order: 17 } })
    expect(await read(hash)).toMatchObject({ status: 'completed', attempt: 2, result_data: { order: 17 } })
    expect(starts.get(hash)).toBe(1)
  })
})
