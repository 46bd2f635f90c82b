/** What it costs to tell watchers of an update, and to have them: many requests with one each, one request with many. */
import type { Kind, Watching } from './contenders/watchers.ts'
import { deliver, type Others, settle, startOthers } from './delivery.ts'
import { startServer } from './halfway.ts'
import { type Server, startContender } from './measure/child.ts'
import { separate } from './measure/cores.ts'
import { needConnections } from './measure/files.ts'
import type { Pace } from './measure/pace.ts'
import { type BenchRedis, startRedis } from './measure/redis.ts'
import type { Row, Section } from './measure/report.ts'
import { inTurn, interleaveWarm } from './measure/rounds.ts'
import { seed } from './requests.ts'

const REQUESTS = 4_000
const WATCHERS_OF_ONE = 1_000
const WARM_UP = 200
const CONTENDERS = 3
const MANY: Pace = { perSecond: 4_000, seconds: 0.06 }
/** One update: ours makes one state out of those of the same request that come within a twentieth of a second. */
const ONE: Pace = { perSecond: 200, seconds: 0.005 }

/** A relay, what it holds for each of its watchers, and the requests that they watch. */
interface Relay {
  server: Server
  grownKilobytes: number
  heapKilobytes: number
  many: string[]
  one: string[]
}

export async function relay({
  rounds,
  roundsToOne,
}: {
  rounds: number
  roundsToOne: number
}): Promise<Section> {
  needConnections(CONTENDERS * (WARM_UP + REQUESTS + WATCHERS_OF_ONE))
  const redis = await startRedis()
  const others = await startOthers(redis.url)
  const env = { REDIS_URL: redis.url }
  const servers = await Promise.all([
    startServer(redis.url),
    startContender('bench/contenders/relay-socketio.ts', env),
    startContender('bench/contenders/relay-ws.ts', env),
  ])
  const relays = {
    ours: await watch(redis, others, 'socket.io', servers[0]),
    plain: await watch(redis, others, 'socket.io', servers[1]),
    floor: await watch(redis, others, 'ws', servers[2]),
  }
  separate(servers, [others.watchers, others.bots, redis])
  const turns = (pace: Pace, to: 'many' | 'one', watchersEach: number) => {
    const turn = (each: Relay) => {
      const hashes = inTurn(each[to], Math.min(each[to].length, pace.perSecond * pace.seconds))
      return () => deliver(each.server, others, { ...pace, hashes: hashes() }, watchersEach)
    }
    return { ours: turn(relays.ours), plain: turn(relays.plain), floor: turn(relays.floor) }
  }
  const [toMany, toOne] = [turns(MANY, 'many', 1), turns(ONE, 'one', WATCHERS_OF_ONE)]
  const many = await interleaveWarm(rounds, toMany)
  const one = await interleaveWarm(roundsToOne, toOne)
  for (const child of [...servers, others]) await child.stop()
  await redis.stop()

  const row = (what: string, unit: string, of: (name: keyof typeof relays) => number[]): Row => ({
    what,
    unit,
    ours: of('ours'),
    beside: { 'plain Socket.IO': of('plain'), 'raw ws': of('floor') },
  })
  const cpu = (what: string, measured: typeof many): Row =>
    row(`CPU a delivered update${what}`, 'µs', (name) => measured[name].map((each) => each.cpuMicroseconds))
  const latency = (what: string, measured: typeof many, value: 'p50Ms' | 'p99Ms'): Row =>
    row(what, 'ms', (name) => measured[name].map((each) => each[value]))
  const number = (count: number): string => count.toLocaleString('en')
  const all = `${number(WATCHERS_OF_ONE)} of one`
  return {
    name: 'relay',
    title: `Updates to watchers: ${number(REQUESTS)} requests with one each, then ${number(WATCHERS_OF_ONE)} of one; plain Socket.IO, bare ws`,
    rows: [
      { ...cpu('', many), targets: [{ beside: 'raw ws', atMost: 1.25 }] },
      latency("p50 from the bot's write", many, 'p50Ms'),
      { ...latency("p99 from the bot's write", many, 'p99Ms'), withoutRatios: true },
      {
        ...row('memory an idle watcher', 'kB', (name) => [relays[name].heapKilobytes]),
        targets: [{ beside: 'raw ws', atMost: 1.5 }],
      },
      {
        ...row('what the process grew by for it', 'kB', (name) => [relays[name].grownKilobytes]),
        withoutRatios: true,
      },
      cpu(`, ${all}`, one),
      latency(`p50 from the bot's write, ${all}`, one, 'p50Ms'),
      { ...latency(`p99 from the bot's write, ${all}`, one, 'p99Ms'), withoutRatios: true },
    ],
  }
}

/** Has its requests watched. */
async function watch(redis: BenchRedis, others: Others, kind: Kind, server: Server): Promise<Relay> {
  const connect = (hashes: string[]): Promise<void> =>
    others.watchers.ask('connect', { url: server.url, kind, hashes } satisfies Watching)
  const hashes = await seed(redis.client, WARM_UP + REQUESTS + 1)
  const warmUp = hashes.splice(0, WARM_UP)
  const many = hashes.splice(0, REQUESTS)
  await connect(warmUp)
  await deliver(server, others, { hashes: warmUp, perSecond: 2_000, seconds: 0.5 })
  const before = await server.memory()
  await connect(many)
  await settle(server)
  const after = await server.memory()
  await connect(hashes.flatMap((hash) => Array<string>(WATCHERS_OF_ONE).fill(hash)))
  // The first update of each request leaves more behind than those that follow, and all has to be compiled.
  await deliver(server, others, {
    hashes: many,
    perSecond: 2 * MANY.perSecond,
    seconds: REQUESTS / MANY.perSecond,
  })
  return {
    server,
    grownKilobytes: (after.kept - before.kept) / REQUESTS / 1000,
    heapKilobytes: (after.heap - before.heap) / REQUESTS / 1000,
    many,
    one: hashes,
  }
}
