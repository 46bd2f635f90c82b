/** A worker that is frozen or killed with a job: another one takes the job over, and writes of the first one are refused. */
import { afterAll, describe, expect, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'
import { aRecord, TTL_SECONDS } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { catalog, linkCheck } from '../helpers/services.ts'
import { silence, success, useForeignBot } from './foreign-bot.ts'

const LOCK_MS = 500

const { url, connections } = await useRedis()
const redis = await connections.connect('patient')
const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
const queues = createQueues({ redis, log: quiet, queueList: () => queuesOf(catalog) })
const bot = await useForeignBot()
afterAll(() => queues.stop())

async function startWorker() {
  const child = startChild('test/helpers/fixtures/worker.ts', [url, bot.url, String(LOCK_MS)])
  await child.waitForOutput('ready')
  return child
}
async function kill(child: Child): Promise<void> {
  child.process.kill('SIGKILL')
  await child.ended
}
const recordOf = async (hash: string) => (await store.read(hash))?.record

describe('a worker that loses its lock', () => {
  test('a request of a frozen worker is taken over as a new attempt, and writes of the old one are refused', {
    timeout: 30_000,
  }, async () => {
    const first = await startWorker()
    const record = aRecord({ service_slug: 'link-check', max_attempts: 3 })
    const { hash } = record
    bot.replies(hash, silence, success({ by: 'the second' }))
    await store.create(record)
    await queues.add(record, linkCheck)
    await bot.call(hash, 1)
    expect(await store.apply(hash, { type: 'progress', attempt: 1, progress: 60 })).toMatchObject({
      ok: true,
    })
    first.process.kill('SIGSTOP')

    const second = await startWorker()
    const taken = await bot.call(hash, 2)
    expect(taken.headers).toMatchObject({ 'x-attempt': '2', 'idempotency-key': hash })
    const done = await eventually(async () => {
      const found = await recordOf(hash)
      expect(found?.status).toBe('completed')
      return found
    })
    expect(done).toMatchObject({ attempt: 2, progress: 100, result_data: { by: 'the second' } })

    first.process.kill('SIGCONT')
    await first.waitForOutput('attempt ended with the request')
    expect(await store.apply(hash, { type: 'progress', attempt: 1, progress: 10 })).toMatchObject({
      ok: false,
      rejection: 'already_final',
    })
    expect(await recordOf(hash)).toEqual(done)
    await Promise.all([first, second].map(kill))
  })

  test('a taken-over request refuses writes of the old attempt and keeps its progress', {
    timeout: 30_000,
  }, async () => {
    const first = await startWorker()
    const record = aRecord({ service_slug: 'link-check', max_attempts: 3 })
    const { hash } = record
    bot.replies(hash, silence, silence)
    await store.create(record)
    await queues.add(record, linkCheck)
    await bot.call(hash, 1)
    await store.apply(hash, { type: 'progress', attempt: 1, progress: 60 })
    await kill(first)

    await startWorker()
    await bot.call(hash, 2)
    const late = { type: 'progress', attempt: 1, progress: 70 } as const
    expect(await store.apply(hash, late)).toMatchObject({ ok: false, rejection: 'stale_attempt' })
    await store.apply(hash, { type: 'progress', attempt: 2, progress: 5 })
    expect(await recordOf(hash)).toMatchObject({ status: 'processing', attempt: 2, progress: 60 })
  })
})
