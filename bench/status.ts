/** How a request stands, asked over 64 connections. */
import type { Polled, Polling } from './contenders/pollers.ts'
import { startServer } from './halfway.ts'
import { type Server, startChild, startContender } from './measure/child.ts'
import { separate } from './measure/cores.ts'
import { startRedis } from './measure/redis.ts'
import type { Row, Section } from './measure/report.ts'
import { alternate, inTurn, interleave } from './measure/rounds.ts'
import { seed } from './requests.ts'

const CONNECTIONS = 64
const FEW = 1_000
const MANY = 100_000
/** As many as a turn can ask for. */
const A_TURN = 1_600

/** Less, and Express gets faster for seconds: a contender that is still being compiled flatters the others. */
const WARM_UP_SECONDS = 2.2

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
  const two = (start: () => Promise<Server>): Promise<Server[]> => Promise.all([start(), start()])
  const [ours, express, bare, stripped] = [
    await two(() => startServer(redis.url)),
    await two(() => startContender('bench/contenders/status-express.ts', env)),
    await two(() => startContender('bench/contenders/status-bare.ts', env)),
    await two(() => startContender('bench/contenders/status-bare.ts', { ...env, PRIVATE: 'true' })),
  ]
  const servers = [...ours, ...express, ...bare, ...stripped]

  const tags = await pollers.ask<string[]>('tagsOf', servers[0]?.url, few)
  const others = inTurn(hashes, A_TURN)
  const contenders = (seconds: number) => {
    const turn = async (server: Server, hashes: string[], tags?: string[]): Promise<Measured> => {
      const polling: Polling = { url: server.url, hashes, tags, connections: CONNECTIONS, seconds }
      const before = await server.cpu()
      const polled = await pollers.ask<Polled>('poll', polling)
      return { ...polled, perCpuSecond: (polled.answers / ((await server.cpu()) - before)) * 1_000_000 }
    }
    const turns = (servers: Server[], next: () => string[], tags?: string[]) =>
      alternate(...servers.map((server) => () => turn(server, next(), tags)))
    const same = (): string[] => few
    return {
      express: turns(express, same),
      ours: turns(ours, same),
      bare: turns(bare, same),
      stripped: turns(stripped, same),
      many: turns(ours, others),
      unchanged: turns(ours, same, tags),
    }
  }
  // What the rest runs is nearly the same.
  const { many: _many, unchanged: _unchanged, ...main } = contenders(WARM_UP_SECONDS)
  await interleave(2, main)
  separate(servers, [pollers, redis])
  const measured = await interleave(rounds, contenders(seconds))
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
