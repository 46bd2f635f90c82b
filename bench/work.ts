/** Requests worked on by one worker whose bot answers at once: how many a second, and how soon after its submit one is called. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { encodeRecord } from '../core/records/codec.ts'
import {
  type MeasuredProcess,
  startContender,
  startContenderServer,
  startHalfway,
  startWorkers,
} from './processes.ts'
import type { BenchRedis } from './redis.ts'
import type { Row } from './report.ts'
import { pendingRecord, SERVICE, TTL_SECONDS } from './requests.ts'
import { alternate, median } from './rounds.ts'
import { submitOne, UNLIMITED } from './submit.ts'

const REQUESTS_PER_ROUND = 600
const ROUNDS = { warmUp: 3, rounds: 10 }
const SUBMITS_PER_ROUND = 15
const SUBMIT_ROUNDS = { warmUp: 6, rounds: 14 }
const PAUSE_MS = 5
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
  const cpu: Record<string, number[]> = { halfway: [], byHand: [] }
  const perSecond =
    (name: keyof typeof cpu, { worker, queue }: { worker: MeasuredProcess; queue: Queue }) =>
    async (): Promise<number> => {
      await queue.pause()
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
      cpu[name]?.push(((await worker.cpu()) - before) / REQUESTS_PER_ROUND)
      return REQUESTS_PER_ROUND / seconds
    }
  const untilCalled = (url: string) => async (): Promise<number> => {
    const latencies: number[] = []
    for (let i = 0; i < SUBMITS_PER_ROUND; i++) {
      const called = new Promise<void>((resolve) => {
        onCall = resolve
      })
      const sentAt = performance.now()
      const submitted = submitOne(url)
      await called
      latencies.push(performance.now() - sentAt)
      await submitted
      await sleep(PAUSE_MS)
    }
    return median(latencies)
  }
  const rate = await alternate(ROUNDS, {
    halfway: perSecond('halfway', halfway),
    byHand: perSecond('byHand', byHand),
  })
  const latency = await alternate(SUBMIT_ROUNDS, {
    halfway: untilCalled(halfway.server.url),
    byHand: untilCalled(byHand.server.url),
  })
  for (const { server, worker, queue } of [halfway, byHand]) {
    await queue.close()
    await worker.stop()
    await server.stop()
  }
  connection.disconnect()
  bot.closeAllConnections()
  bot.close()
  const beside = 'by hand'
  return [
    {
      what: 'submit until the bot is called, p50',
      unit: 'ms',
      halfway: latency.halfway,
      beside,
      other: latency.byHand,
      target: { max: 1.15 },
    },
    {
      what: 'requests a second of one worker',
      unit: '/s',
      halfway: rate.halfway,
      beside,
      other: rate.byHand,
      target: { min: 0.95 },
    },
    {
      what: 'CPU of a request',
      unit: 'µs',
      halfway: cpu.halfway?.slice(-ROUNDS.rounds) ?? [],
      beside,
      other: cpu.byHand?.slice(-ROUNDS.rounds) ?? [],
    },
  ]
}
