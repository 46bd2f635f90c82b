/** From a submit over HTTP to the first byte of the bot's call, and batches over HTTP. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Sent } from '../contenders/submitter.ts'
import { startServer, startWorkers } from '../halfway.ts'
import { type Child, type Server, startChild, startContender } from '../measure/child.ts'
import { separate } from '../measure/cores.ts'
import type { BenchRedis } from '../measure/redis.ts'
import type { Row } from '../measure/report.ts'
import { interleave, median } from '../measure/rounds.ts'

const SUBMITS = 25
const BATCH = 1_000
/** Rounds, until all of what runs is compiled. */
const WARM_UP = 6
/** Above all that is sent here. */
const NO_LIMIT = '1000000'

interface Reached {
  answeredMs: number
  p50Ms: number
  p99Ms: number
}
interface Accepted {
  perSecond: number
  cpuMicroseconds: number
}

export async function measureReaching(redis: BenchRedis, { rounds }: { rounds: number }): Promise<Row[]> {
  const bot = await startContender('bench/contenders/instant-bot.ts', {})
  const env = { REDIS_URL: redis.url, LOCAL_API_URL: bot.url, WORKER_CONCURRENCY: '50' }
  const limits = { SUBMITS_PER_MINUTE: NO_LIMIT, BATCHES_PER_MINUTE: NO_LIMIT }
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
    const took = sent.map(({ hash, sentAt }) => (calls[hash] as number) - sentAt)
    return {
      answeredMs: median(sent.map(({ sentAt, answeredAt }) => answeredAt - sentAt)),
      p50Ms: median(took),
      p99Ms: took.toSorted((a, b) => a - b)[Math.floor(SUBMITS * 0.99) - 1] as number,
    }
  }
  const reaching = { ours: () => reach(ours), express: () => reach(express) }
  await interleave(WARM_UP, reaching)
  separate([ours, express, ...workers], [submitter, bot, redis])
  const reached = await interleave(rounds, reaching)
  for (const worker of workers) await worker.stop()

  const send = async (server: Server): Promise<Accepted> => {
    const cpu = await server.cpu()
    const ms = await submitter.ask<number>('batch', server.url, BATCH)
    return { perSecond: (BATCH / ms) * 1000, cpuMicroseconds: ((await server.cpu()) - cpu) / BATCH }
  }
  const sending = { ours: () => send(ours), express: () => send(express) }
  await interleave(WARM_UP, sending)
  const accepted = await interleave(rounds, sending)
  for (const child of [ours, express, submitter, bot]) await child.stop()
  await redis.client.flushall()

  const latency = (what: string, value: keyof Reached): Row => ({
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
    { ...latency('submit until the bot is called, p99', 'p99Ms'), withoutRatios: true },
    batch('requests a second, in a batch of 1,000', '/s', 'perSecond'),
    batch('CPU of the server a request of a batch', 'µs', 'cpuMicroseconds'),
  ]
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
