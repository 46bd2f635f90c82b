/** Workers on machines whose clocks are ten minutes off keep every time of a request. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aRecord } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { catalog, linkCheck } from '../helpers/services.ts'
import { failure, later, type Reply, silence, smsSent, success, useForeignBot } from './foreign-bot.ts'

const TEN_MINUTES_MS = 600_000
const LIMIT_SECONDS = 8
const SHIFT = fileURLToPath(new URL('../helpers/fixtures/shifted-clock.mjs', import.meta.url))

const bot = await useForeignBot()

async function useOwnRedis() {
  const redis = await useRedis()
  return { url: redis.url, ...(await useRequests(redis)) }
}

describe.concurrent.each([
  ['slow', -TEN_MINUTES_MS, await useOwnRedis()],
  ['fast', TEN_MINUTES_MS, await useOwnRedis()],
])('a worker whose clock is ten minutes %s', { timeout: 60_000 }, (_name, shiftMs, own) => {
  const { url, client, store, applyCommand } = own
  const queues = createQueues({ redis: client, log: quiet, queueList: () => queuesOf(catalog) })
  let worker: Child
  beforeAll(async () => {
    const args = [url, bot.url, '20000', String(LIMIT_SECONDS)]
    worker = startChild('test/helpers/fixtures/worker.ts', args, {
      NODE_OPTIONS: `--import ${SHIFT}`,
      SHIFT_CLOCK_MS: String(shiftMs),
    })
    await worker.waitForOutput('ready')
  })
  afterAll(async () => {
    worker.process.kill('SIGKILL')
    await queues.stop()
  })

  async function submit(...replies: Reply[]): Promise<string> {
    const record = aRecord({ service_slug: 'account-statement' })
    bot.replies(record.hash, ...replies)
    await store.create(record)
    await queues.add(record, linkCheck)
    return record.hash
  }
  const inStatus = (hash: string, status: string) =>
    eventually(
      async () => {
        const record = (await store.read(hash))?.record
        expect(record?.status).toBe(status)
        return record
      },
      { withinMs: 40_000 },
    )
  /** How often a worker has taken the job. */
  const timesTaken = async (hash: string) => Number(await client.hget(`halfway:crawls:${hash}`, 'ats'))

  test('a worker with a wrong clock retries when the retry is due, without taking the job before', async () => {
    const answer = later()
    const hash = await submit(failure('portal_down', { retryable: true }), answer.reply)
    const first = await bot.call(hash)
    const second = await bot.call(hash, 2)
    expect(second.at - first.at).toBeGreaterThan(3900)
    expect(second.at - first.at).toBeLessThan(20_000)
    expect(await timesTaken(hash)).toBe(2)
    answer.answer(success())
    const done = await inStatus(hash, 'completed')
    const lifeMs = Date.parse(done?.expires_at ?? '') - Date.now()
    expect(Math.abs(lifeMs - 1_800_000)).toBeLessThan(10_000)
    expect(Math.abs((await client.pttl(keys.record(hash))) - lifeMs)).toBeLessThan(10_000)
  })

  test('a worker with a wrong clock times a request out at its deadline', async () => {
    const hash = await submit(silence)
    const { at, hungUp } = await bot.call(hash)
    await hungUp
    expect(Math.abs(performance.now() - at - LIMIT_SECONDS * 1000)).toBeLessThan(10_000)
    const failed = await inStatus(hash, 'failed')
    expect(failed).toMatchObject({ attempt: 1, error_data: { code: 'timed_out' } })
    expect(Math.abs(Date.parse(failed?.completed_at ?? '') - Date.now())).toBeLessThan(10_000)
  })

  test('a worker with a wrong clock resumes as soon as the code is submitted, without taking the job before', async () => {
    const hash = await submit(smsSent({ expires_in: 60 }), success('with the code'))
    const asked = await inStatus(hash, 'otp_required')
    expect(Math.abs(Date.parse(asked?.otp_data?.expires_at ?? '') - Date.now() - 60_000)).toBeLessThan(10_000)
    await eventually(async () => expect(await client.zscore(`halfway:crawls:delayed`, hash)).not.toBeNull())
    expect(await timesTaken(hash)).toBe(1)
    await applyCommand(hash, { type: 'submit_otp', otp: '123456' })
    await queues.promote(aRecord({ hash, status: 'processing' }), linkCheck)
    const typed = performance.now()
    expect((await bot.call(hash, 2)).at - typed).toBeLessThan(10_000)
    expect(await inStatus(hash, 'completed')).toMatchObject({ attempt: 1, result_data: 'with the code' })
  })
})
