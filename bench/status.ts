/** How a request stands, asked over 64 connections. */
import type { Polled, Polling } from './contenders/pollers.ts'
import { startServer } from './halfway.ts'
import { type Server, startChild, startContender } from './measure/child.ts'
import { separate } from './measure/cores.ts'
import { startRedis } from './measure/redis.ts'
import type { Row, Section } from './measure/report.ts'
import { inTurn, interleave, interleaveWarm } from './measure/rounds.ts'
import { seed } from './requests.ts'

const CONNECTIONS = 64
const FEW = 1_000
const MANY = 100_000
/** More than a turn asks for. */
const A_TURN = 1_600

/** Twice, of each process. Less, and Express gets faster for seconds: one that is still being compiled flatters the others. */
const WARM_UP_SECONDS = 1.2

interface Measured extends Polled {
  /** So many could one process answer at most. The clock says less: those that are fast wait for who asks them. */
  perCpuSecond: number
}

export async function status({ rounds, seconds }: { rounds: number; seconds: number }): Promise<Section> {
  const redis = await startRedis()
  const hashes = await seed(redis.client, MANY)
  const few = hashes.slice(0, FEW)
  const env = { REDIS_URL: redis.url }
  const pollers = await startChild('bench/contenders/pollers.ts')
  const servers = await Promise.all([
    startServer(redis.url),
    startContender('bench/contenders/status-express.ts', env),
    startContender('bench/contenders/status-bare.ts', env),
    startContender('bench/contenders/status-bare.ts', { ...env, PRIVATE: 'true' }),
  ])
  const [ours, express, bare, stripped] = servers

  const tags = await pollers.ask<string[]>('tagsOf', ours.url, few)
  const others = inTurn(hashes, A_TURN)
  const contenders = (seconds: number) => {
    const ask = async (server: Server, hashes = few, tags?: string[]): Promise<Measured> => {
      const polling: Polling = { url: server.url, hashes, tags, connections: CONNECTIONS, seconds }
      const before = await server.cpu()
      const polled = await pollers.ask<Polled>('poll', polling)
      return { ...polled, perCpuSecond: (polled.answers / ((await server.cpu()) - before)) * 1_000_000 }
    }
    return {
      express: () => ask(express),
      ours: () => ask(ours),
      bare: () => ask(bare),
      stripped: () => ask(stripped),
      many: () => ask(ours, others()),
      unchanged: () => ask(ours, few, tags),
    }
  }
  // What the rest runs is nearly the same.
  const { many: _many, unchanged: _unchanged, ...main } = contenders(WARM_UP_SECONDS)
  await interleave(2, main)
  separate(servers, [pollers, redis])
  const measured = await interleaveWarm(rounds, contenders(seconds))
  for (const child of [...servers, pollers]) await child.stop()
  await redis.stop()

  const of = (name: keyof typeof measured, what: keyof Measured): number[] =>
    measured[name].map((each) => each[what])
  const beside = (what: keyof Measured): Row['beside'] => ({
    Express: of('express', what),
    bare: of('bare', what),
    'bare, without private fields': of('stripped', what),
  })
  return {
    name: 'status',
    title: `Status answers, ${CONNECTIONS} connections; Express + GET, bare node:http + ioredis`,
    rows: [
      {
        what: 'answers a second',
        unit: '/s',
        ours: of('ours', 'perSecond'),
        beside: beside('perSecond'),
        withoutRatios: true,
      },
      {
        what: 'answers a second of CPU',
        unit: '/s',
        ours: of('ours', 'perCpuSecond'),
        beside: beside('perCpuSecond'),
        targets: [
          { beside: 'Express', atLeast: 3 },
          { beside: 'bare', atLeast: 0.85 },
        ],
      },
      { what: 'p50', unit: 'ms', ours: of('ours', 'p50Ms'), beside: beside('p50Ms'), withoutRatios: true },
      { what: 'p99', unit: 'ms', ours: of('ours', 'p99Ms'), beside: beside('p99Ms'), withoutRatios: true },
      {
        what: 'p50 with 100,000 records',
        unit: 'ms',
        ours: of('many', 'p50Ms'),
        beside: { 'with 1,000': of('ours', 'p50Ms') },
        targets: [{ beside: 'with 1,000', atMost: 1.1 }],
      },
      {
        what: 'answers a second of CPU, If-None-Match',
        unit: '/s',
        ours: of('unchanged', 'perCpuSecond'),
        beside: { 'without it': of('ours', 'perCpuSecond') },
      },
    ],
  }
}
