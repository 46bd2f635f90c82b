/** Requests worked on by one worker whose bot answers at once: how many a second, and how soon after its submit one is called. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { encodeRecord } from '../core/records/codec.ts'
import {
  type MeasuredProcess,
  type MeasuredServer,
  startContender,
  startContenderServer,
  startHalfway,
  startWorkers,
} from './processes.ts'
import { type BenchRedis, usedMemory } from './redis.ts'
import { compare, type Row } from './report.ts'
import { pendingRecord, SERVICE, TTL_SECONDS } from './requests.ts'
import { p50Ms, submitOne, UNLIMITED } from './submit.ts'

const REQUESTS_PER_ROUND = 600
const ROUNDS = { warmUp: 2, rounds: 8 }
const SUBMIT_ROUNDS = { warmUp: 4, rounds: 14 }
const WORKER_CONCURRENCY = '20'
const ANSWER = JSON.stringify({ status: 'success', code: 'COMPLETED', data: { score: 700 } })

export async function work(redis: BenchRedis): Promise<Row[]> {
  let onCall = (): void => {}
  const bot = createServer((req, res) => {
    req.resume().on('end', () => {
      onCall()
      res.setHeader('content-type', 'application/json').end(ANSWER)
    })
  })
  await new Promise<void>((resolve) => bot.listen(0, '127.0.0.1', resolve))
  const BOT_URL = `http://127.0.0.1:${(bot.address() as AddressInfo).port}`
  const env = { REDIS_URL: redis.url, WORKER_CONCURRENCY, BOT_URL }
  const connection = new Redis(redis.url)
  const own = { ...env, ...UNLIMITED }
  const halfway = {
    server: await startHalfway(own, BOT_URL),
    worker: await startWorkers(own),
    queue: new Queue(SERVICE.queue.name, { connection, prefix: redis.client.names.queues }),
  }
  const byHand = {
    server: await startContenderServer('submit-by-hand', env),
    worker: await startContender('work-by-hand', env),
    queue: new Queue('requests', { connection }),
  }
  const cpu = { halfway: [] as number[], other: [] as number[] }
  const kilobytes = { halfway: [] as number[], other: [] as number[] }
  const perSecond =
    (name: keyof typeof cpu, { worker, queue }: { worker: MeasuredProcess; queue: Queue }) =>
    async (): Promise<number> => {
      await queue.pause()
      const memory = await usedMemory(redis.client)
      const records = Array.from({ length: REQUESTS_PER_ROUND }, () => pendingRecord())
      const pipeline = connection.pipeline()
      for (const record of records)
        pipeline.setex(redis.client.names.record(record.hash), TTL_SECONDS, encodeRecord(record))
      await pipeline.exec()
      await queue.addBulk(
        records.map(({ hash }) => ({ name: 'request', data: { hash }, opts: { jobId: hash } })),
      )
      let calls = 0
      const called = new Promise<void>((resolve) => {
        onCall = () => void (++calls === REQUESTS_PER_ROUND && resolve())
      })
      const before = await worker.cpu()
      const startedAt = performance.now()
      await queue.resume()
      await called
      const seconds = (performance.now() - startedAt) / 1000
      for (;;) {
        const { active, waiting } = await queue.getJobCounts('active', 'waiting')
        if (!active && !waiting) break
        await sleep(20)
      }
      cpu[name].push(((await worker.cpu()) - before) / REQUESTS_PER_ROUND)
      // A copy of each record lives for a minute after its last write.
      await connection.unlink(records.map(({ hash }) => redis.client.names.backup(hash)))
      kilobytes[name].push(((await usedMemory(redis.client)) - memory) / REQUESTS_PER_ROUND / 1000)
      return REQUESTS_PER_ROUND / seconds
    }
  const untilCalled = ({ server }: { server: MeasuredServer }) =>
    p50Ms(async () => {
      const called = new Promise<void>((resolve) => {
        onCall = resolve
      })
      void submitOne(server.url)
      await called
    })
  const beside = 'by hand'
  const rate = await compare(
    { what: 'requests a second of one worker', unit: '/s', beside, target: { min: 0.95 } },
    ROUNDS,
    { halfway: perSecond('halfway', halfway), other: perSecond('other', byHand) },
  )
  const latency = await compare(
    { what: 'submit until the bot is called, p50', unit: 'ms', beside, target: { max: 1.15 } },
    SUBMIT_ROUNDS,
    { halfway: untilCalled(halfway), other: untilCalled(byHand) },
  )
  for (const { server, worker, queue } of [halfway, byHand]) {
    await queue.close()
    await worker.stop()
    await server.stop()
  }
  connection.disconnect()
  bot.closeAllConnections()
  bot.close()
  const counted = ({ halfway, other }: typeof cpu) => ({
    halfway: halfway.slice(ROUNDS.warmUp),
    other: other.slice(ROUNDS.warmUp),
  })
  return [
    latency,
    rate,
    { what: 'CPU of a request', unit: 'µs', beside, ...counted(cpu) },
    {
      what: 'memory of a finished request, a minute later',
      unit: 'kB',
      beside,
      ...counted(kilobytes),
      target: { max: 1.2 },
    },
  ]
}
