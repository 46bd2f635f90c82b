/** From a submit over HTTP to the first byte of the bot's call, and batches over HTTP. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Sent } from '../contenders/submitter.ts'
import { startServer, startWorkers } from '../halfway.ts'
import { type Child, type Server, startChild, startContender } from '../measure/child.ts'
import { separate } from '../measure/cores.ts'
import type { BenchRedis } from '../measure/redis.ts'
import type { Row } from '../measure/report.ts'
import { interleaveWarm, median } from '../measure/rounds.ts'

const SUBMITS = 8
const BATCH = 1_000
/** Above all that is sent here. */
const NO_LIMIT = '1000000'

interface Reached {
  answeredMs: number
  p50Ms: number
  /** Of each submit. */
  calledMs: number[]
}
interface Accepted {
  perSecond: number
  cpuMicroseconds: number
}

export async function measureReaching(redis: BenchRedis, { rounds }: { rounds: number }): Promise<Row[]> {
  const bot = await startContender('bench/contenders/instant-bot.ts', {})
  const env = { REDIS_URL: redis.url, LOCAL_API_URL: bot.url, WORKER_CONCURRENCY: '50' }
  const limits = {
    SUBMITS_PER_MINUTE: NO_LIMIT,
    BATCHES_PER_MINUTE: NO_LIMIT,
    SUBJECT_CODES_PER_HOUR: NO_LIMIT,
    MAX_UNFINISHED_PER_SUBMITTER: NO_LIMIT,
    MAX_UNFINISHED_PER_QUEUE: NO_LIMIT,
    MAX_UNFINISHED: NO_LIMIT,
  }
  const [submitter, ours, express, ...workers] = await Promise.all([
    startChild('bench/contenders/submitter.ts'),
    startServer(redis.url, limits),
    startContender('bench/contenders/submit-express.ts', env),
    startWorkers(redis.url, env),
    startChild('bench/contenders/worker-plain.ts', { env }),
  ])

  const reach = async ({ url }: Server): Promise<Reached> => {
    const sent = await submitter.ask<Sent[]>('oneByOne', url, SUBMITS)
    const calls = await callsOf(bot, SUBMITS)
    const calledMs = sent.map(({ hash, sentAt }) => (calls[hash] as number) - sentAt)
    return {
      answeredMs: median(sent.map(({ sentAt, answeredAt }) => answeredAt - sentAt)),
      p50Ms: median(calledMs),
      calledMs,
    }
  }
  const reaching = { ours: () => reach(ours), express: () => reach(express) }
  separate([ours, express, ...workers], [submitter, bot, redis])
  const reached = await interleaveWarm(rounds, reaching)
  for (const worker of workers) await worker.stop()

  const send = async (server: Server): Promise<Accepted> => {
    const cpu = await server.cpu()
    const ms = await submitter.ask<number>('batch', server.url, BATCH)
    const accepted = { perSecond: (BATCH / ms) * 1000, cpuMicroseconds: ((await server.cpu()) - cpu) / BATCH }
    await redis.client.flushall()
    return accepted
  }
  const sending = { ours: () => send(ours), express: () => send(express) }
  const accepted = await interleaveWarm(rounds, sending)
  for (const child of [ours, express, submitter, bot]) await child.stop()

  const latency = (what: string, value: 'answeredMs' | 'p50Ms'): Row => ({
    what,
    unit: 'ms',
    ours: reached.ours.map((each) => each[value]),
    beside: { 'Express + by hand': reached.express.map((each) => each[value]) },
  })
  const batch = (what: string, unit: string, value: keyof Accepted): Row => ({
    what,
    unit,
    ours: accepted.ours.map((each) => each[value]),
    beside: { 'Express + by hand': accepted.express.map((each) => each[value]) },
  })
  return [
    latency('submit until it is answered, p50', 'answeredMs'),
    latency('submit until the bot is called, p50', 'p50Ms'),
    {
      what: 'submit until the bot is called, p99',
      unit: 'ms',
      ours: [p99(reached.ours)],
      beside: { 'Express + by hand': [p99(reached.express)] },
      withoutRatios: true,
    },
    batch('requests a second, in a batch of 1,000', '/s', 'perSecond'),
    batch('CPU of the server a request of a batch', 'µs', 'cpuMicroseconds'),
  ]
}

/** Of all submits: a turn has too few. */
function p99(turns: Reached[]): number {
  const sorted = turns.flatMap(({ calledMs }) => calledMs).toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.99) - 1] as number
}

/** The last ones may still be on their way. */
async function callsOf(bot: Child, count: number): Promise<Record<string, number>> {
  const calls: Record<string, number> = {}
  for (let tries = 0; Object.keys(calls).length < count; tries++) {
    if (tries > 200) throw new Error(`the bot was called for ${Object.keys(calls).length} of ${count}`)
    Object.assign(calls, await bot.ask<Record<string, number>>('calls'))
    await sleep(10)
  }
  return calls
}
