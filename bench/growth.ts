/** What becomes of the cost as the number of those who watch and who poll grows. */
import type { Watching } from './contenders/watchers.ts'
import { deliver, type Others, settle, startOthers } from './delivery.ts'
import { startServer } from './halfway.ts'
import { type Server, startChild, startContender } from './measure/child.ts'
import { separate } from './measure/cores.ts'
import { needConnections } from './measure/files.ts'
import type { Pace } from './measure/pace.ts'
import { type BenchRedis, startRedis } from './measure/redis.ts'
import type { Row, Section } from './measure/report.ts'
import { inTurn, interleave, interleaveWarm } from './measure/rounds.ts'
import { seed } from './requests.ts'

const [FEW, MANY, MOST] = [1_000, 10_000, 50_000] as const
const WARM_UP = 512
/** As many as a socket of ours may watch. */
const PER_CONNECTION = 64
const UPDATES: Pace = { perSecond: 4_000, seconds: 0.06 }
/** Until all is compiled, and each request has had its first update, which costs more than those that follow. */
const BEFORE = { perSecond: 12_500, least: 10_000 }

const PEOPLE = 10_000
const EVERY_SECONDS = 5
const CONNECTIONS = 1_000
const ANSWERS: Pace = { perSecond: PEOPLE / EVERY_SECONDS, seconds: 0.15 }
const ANSWERS_BEFORE: Pace = { perSecond: 4_000, seconds: 0.8 }

/** A process of ours by which requests are watched, and what it holds for each of them. */
interface Watched {
  server: Server
  hashes: string[]
  grownKilobytes: number
  heapKilobytes: number
}

export async function growth({
  rounds,
  roundsPolled,
}: {
  rounds: number
  roundsPolled: number
}): Promise<Section> {
  needConnections(CONNECTIONS)
  const redis = await startRedis()
  const updates = await measureWatched(redis, rounds)
  const polled = await measurePolled(redis, roundsPolled)
  await redis.stop()

  const number = (count: number): string => count.toLocaleString('en')
  const update = (count: number, ours: number[]): Row => ({
    what: `CPU a delivered update, ${number(count)} requests`,
    unit: 'µs',
    ours,
    beside: { [`with ${number(FEW)}`]: updates.cpu.few },
    targets: [{ beside: `with ${number(FEW)}`, atMost: 1.5 }],
  })
  const memory = (what: string, kind: 'grownKilobytes' | 'heapKilobytes'): Row => ({
    what: `${what} a watched request, ${number(MOST)} requests`,
    unit: 'kB',
    ours: [updates.most[kind]],
    beside: { [`with ${number(MANY)}`]: [updates.many[kind]] },
  })
  return {
    name: 'growth',
    title: `As it grows: watched requests, ${PER_CONNECTION} a connection, ${number(UPDATES.perSecond)} updates a second; ${number(PEOPLE)} who poll every ${EVERY_SECONDS} s over ${number(CONNECTIONS)} connections`,
    rows: [
      update(MANY, updates.cpu.many),
      update(MOST, updates.cpu.most),
      memory('memory', 'heapKilobytes'),
      { ...memory('what the process grew by for', 'grownKilobytes'), withoutRatios: true },
      {
        what: `share of a core for ${number(PEOPLE)} who poll`,
        unit: '%',
        ours: polled.ours,
        beside: { Express: polled.express },
      },
    ],
  }
}

async function measureWatched(redis: BenchRedis, rounds: number) {
  const others = await startOthers(redis.url)
  const start = (): Promise<Server> => startServer(redis.url)
  const servers = await Promise.all([start(), start(), start()])
  const few = await watch(redis, others, servers[0], FEW)
  const many = await watch(redis, others, servers[1], MANY)
  const most = await watch(redis, others, servers[2], MOST)
  separate(servers, [others.bots, others.watchers, redis])
  const cpu = (watched: Watched) => {
    const hashes = inTurn(watched.hashes, UPDATES.perSecond * UPDATES.seconds)
    return async (): Promise<number> =>
      (await deliver(watched.server, others, { ...UPDATES, hashes: hashes() })).cpuMicroseconds
  }
  const contenders = { few: cpu(few), many: cpu(many), most: cpu(most) }
  const measured = await interleaveWarm(rounds, contenders)
  for (const child of [...servers, others]) await child.stop()
  return { cpu: measured, many, most }
}

/** Has so many requests watched by it. */
async function watch(redis: BenchRedis, others: Others, server: Server, count: number): Promise<Watched> {
  const connect = async (count: number): Promise<string[]> => {
    const hashes = await seed(redis.client, count)
    const watching: Watching = { url: server.url, kind: 'socket.io', hashes, perConnection: PER_CONNECTION }
    await others.watchers.ask('connect', watching)
    return hashes
  }
  const warmUp = await connect(WARM_UP)
  await deliver(server, others, { hashes: warmUp, perSecond: 4_000, seconds: 0.5 })
  const before = await server.memory()
  const hashes = await connect(count)
  await settle(server)
  const { kept, heap } = await server.memory()
  await deliver(server, others, {
    hashes,
    perSecond: BEFORE.perSecond,
    seconds: Math.max(count, BEFORE.least) / BEFORE.perSecond,
  })
  return {
    server,
    hashes,
    grownKilobytes: (kept - before.kept) / count / 1000,
    heapKilobytes: (heap - before.heap) / count / 1000,
  }
}

/** @returns the share of a core that answering took, in percent */
async function measurePolled(redis: BenchRedis, rounds: number) {
  const hashes = await seed(redis.client, PEOPLE)
  const [ours, express] = await Promise.all([
    startServer(redis.url),
    startContender('bench/contenders/status-express.ts', { REDIS_URL: redis.url }),
  ])
  const turns = async (server: Server) => {
    const people = await startChild('bench/contenders/people.ts')
    await people.ask('connect', server.url, hashes, CONNECTIONS)
    const poll = async (at: Pace): Promise<number> => {
      await settle(server)
      const before = await server.cpu()
      const answers = await people.ask<number>('poll', at)
      const cpuMicroseconds = (await server.cpu()) - before
      return (cpuMicroseconds / answers) * (ANSWERS.perSecond / 1_000_000) * 100
    }
    return { people, poll }
  }
  const [ofOurs, ofExpress] = [await turns(ours), await turns(express)]
  const contenders = (at: Pace) => ({
    ours: () => ofOurs.poll(at),
    express: () => ofExpress.poll(at),
  })
  await interleave(1, contenders(ANSWERS_BEFORE))
  separate([ours, express], [ofOurs.people, ofExpress.people, redis])
  const polled = await interleaveWarm(rounds, contenders(ANSWERS))
  for (const child of [ours, express, ofOurs.people, ofExpress.people]) await child.stop()
  return polled
}
