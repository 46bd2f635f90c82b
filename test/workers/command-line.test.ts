/** The workers' process with --queue, --max-jobs and --max-time. */
import { afterAll, describe, expect, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { announceServices } from '../helpers/announced.ts'
import { startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'
import { aRecord } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { catalog, creditScoreRating, linkCheck } from '../helpers/services.ts'
import { later, type Reply, success, useForeignBot } from './foreign-bot.ts'

const redis = await useRedis()
const { client, store } = await useRequests(redis)
const queues = createQueues({ redis: client, log: quiet, queueList: () => queuesOf(catalog) })
const bot = await useForeignBot()
await announceServices(client)
afterAll(() => queues.stop())

const startWorkers = (...args: string[]) =>
  startChild('workers/main.ts', args, {
    REDIS_URL: redis.url,
    LOCAL_API_URL: bot.url,
    LOCAL_API_TOKEN: 'a-token-of-the-tests',
    LOG_LEVEL: 'info',
    NODE_ENV: 'test',
    DRAIN_SECONDS: '20',
  })

async function submit(service: Service = linkCheck, reply: Reply = success()): Promise<string> {
  const record = aRecord({ service_slug: service.slug })
  bot.replies(record.hash, reply)
  await store.create(record)
  await queues.add(record, service)
  return record.hash
}
const submitMany = (n: number, reply?: Reply) =>
  Promise.all(Array.from({ length: n }, () => submit(linkCheck, reply)))
const statusOf = async (hash: string) => (await store.read(hash))?.record.status
const statuses = async (hashes: string[]) => (await Promise.all(hashes.map(statusOf))).sort()
const removeAll = (hashes: string[]) =>
  Promise.all(hashes.map((hash) => queues.remove(hash, linkCheck.queue)))

describe('the workers’ process', { timeout: 30_000 }, () => {
  test('workers with --max-jobs run exactly that many attempts, exit with 0, and leave the rest in the queue', async () => {
    const hashes = await submitMany(6)
    const workers = startWorkers('--max-jobs', '2')
    expect(await workers.ended).toBe(0)
    expect(hashes.flatMap((hash) => bot.calls(hash))).toHaveLength(2)
    expect(await statuses(hashes)).toEqual(['completed', 'completed', ...Array(4).fill('pending')])
    const waiting = hashes.filter((hash) => bot.calls(hash).length === 0)
    for (const hash of waiting) {
      expect(await queues.position(hash, linkCheck.queue), 'it still waits').toBeGreaterThan(0)
    }
    await removeAll(waiting)
  })

  test('workers with --max-time finish running attempts, however long they take, and exit with 0', async () => {
    const answer = later()
    const workers = startWorkers('--max-time', '1', '--queue', 'crawls')
    const hash = await submit(linkCheck, answer.reply)
    await bot.call(hash)
    await workers.waitForOutput('limit reached')
    const next = await submit()
    answer.answer(success('finished'))
    expect(await workers.ended).toBe(0)
    expect(await store.read(hash)).toMatchObject({ record: { status: 'completed', attempt: 1 } })
    expect(await statusOf(next)).toBe('pending')
    expect(bot.calls(next)).toEqual([])
    await removeAll([next])
  })

  test('workers with --queue take jobs of that queue only', async () => {
    const other = await submit(creditScoreRating)
    const workers = startWorkers('--queue', 'crawls')
    const hash = await submit()
    await eventually(async () => expect(await statusOf(hash)).toBe('completed'), { withinMs: 15_000 })
    const last = await submit()
    await eventually(async () => expect(await statusOf(last)).toBe('completed'))
    expect(await statusOf(other)).toBe('pending')
    expect(bot.calls(other)).toEqual([])
    workers.process.kill('SIGTERM')
    expect(await workers.ended).toBe(0)
  })
})
