/** Jobs worked on: so many are put into a queue that stands still, then it goes. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue } from 'bullmq'
import { openQueue } from '../../core/queue/queues.ts'
import { createLog } from '../../core/runtime/log.ts'
import { startWorkers } from '../halfway.ts'
import type { Batches } from '../measure/batches.ts'
import { startChild, startContender } from '../measure/child.ts'
import { separate } from '../measure/cores.ts'
import type { BenchRedis } from '../measure/redis.ts'
import type { Row } from '../measure/report.ts'
import { interleave, interleaveWarm } from '../measure/rounds.ts'
import { SERVICE } from '../requests.ts'
import { AT_ONCE } from './taking.ts'

/** Of each, what takes it about as long. */
const JOBS = { ours: 50, plain: 70, bare: 500 }
/** Ours runs the most code, and gets faster for some 4,000 jobs. Not in one long turn: beginning and ending are code too. */
const WARM_UP = { rounds: 20, jobs: { ours: 200, plain: 140, bare: 500 } }
const CONCURRENCY = '50'
const LOOK_EVERY_MS = 5

interface Measured {
  perSecond: number
  cpuMicroseconds: number
  redisMicroseconds: number
}

export async function measureWorking(redis: BenchRedis, { rounds }: { rounds: number }): Promise<Row[]> {
  const log = createLog('bench', 'warn')
  const bot = await startContender('bench/contenders/instant-bot.ts', {})
  const env = {
    REDIS_URL: redis.url,
    LOCAL_API_URL: bot.url,
    WORKER_CONCURRENCY: CONCURRENCY,
  }
  const queues = {
    ours: openQueue(SERVICE.queue.name, redis.client, log),
    plain: new Queue('requests', { connection: redis.client }),
    bare: new Queue('bare', { connection: redis.client }),
  }
  for (const queue of Object.values(queues)) await queue.pause()
  const children = await Promise.all([
    startChild('bench/contenders/intake-ours.ts', { env }),
    startChild('bench/contenders/intake-plain.ts', { env }),
    startChild('bench/contenders/queue-bare.ts', { env }),
    startWorkers(redis.url, env),
    startChild('bench/contenders/worker-plain.ts', { env }),
    startChild('bench/contenders/worker-bare.ts', { env }),
  ])
  const fillers = { ours: children[0], plain: children[1], bare: children[2] }
  const workers = { ours: children[3], plain: children[4], bare: children[5] }

  const work = async (name: keyof typeof queues, count: number): Promise<Measured> => {
    const [queue, worker] = [queues[name], workers[name]]
    const batches: Batches = { atOnce: AT_ONCE, count }
    await fillers[name].ask(name === 'bare' ? 'add' : 'submit', batches)
    const [cpu, redisCpu] = [await worker.cpu(), await redis.cpu()]
    const began = performance.now()
    await queue.resume()
    for (;;) {
      const left = await queue.getJobCountByTypes('wait', 'prioritized', 'active', 'delayed')
      if (left === 0) break
      await sleep(LOOK_EVERY_MS)
    }
    const ms = performance.now() - began
    await queue.pause()
    return {
      perSecond: (count / ms) * 1000,
      cpuMicroseconds: ((await worker.cpu()) - cpu) / count,
      redisMicroseconds: ((await redis.cpu()) - redisCpu) / count,
    }
  }
  const contenders = (jobs: typeof JOBS) => ({
    ours: () => work('ours', jobs.ours),
    plain: () => work('plain', jobs.plain),
    bare: () => work('bare', jobs.bare),
  })
  await interleave(WARM_UP.rounds, contenders(WARM_UP.jobs))
  separate(Object.values(workers), [redis, bot])
  const measured = await interleaveWarm(rounds, contenders(JOBS))
  await seeAllCompleted(redis)
  for (const child of [...children, bot]) await child.stop()
  for (const queue of Object.values(queues)) await queue.close()
  await redis.client.flushall()

  const row = (what: string, unit: string, value: keyof Measured): Row => ({
    what,
    unit,
    ours: measured.ours.map((each) => each[value]),
    beside: {
      'by hand': measured.plain.map((each) => each[value]),
      'empty BullMQ worker': measured.bare.map((each) => each[value]),
    },
  })
  return [
    row('jobs worked on a second', '/s', 'perSecond'),
    row('CPU of the worker a job', 'µs', 'cpuMicroseconds'),
    row('CPU of Redis a job', 'µs', 'redisMicroseconds'),
  ]
}

/** Who drops jobs is fast. */
async function seeAllCompleted({ client }: BenchRedis): Promise<void> {
  const hashes = await client.lrange(client.names.list, 0, -1)
  const records = await client.mget(hashes.map((hash) => client.names.record(hash)))
  const wrong = records.filter((json) => JSON.parse(json ?? '{}').status !== 'completed').length
  if (hashes.length === 0 || wrong > 0) throw new Error(`${wrong} of ${hashes.length} were not completed`)
}
