/** What it costs to tell watchers of an update, and to have them: many requests with one each, one request with many. */
import type { Kind, Watching } from './contenders/watchers.ts'
import { type Delivered, deliver, settle, startOthers } from './delivery.ts'
import { startServer } from './halfway.ts'
import { type Child, startChild } from './measure/child.ts'
import { separate } from './measure/cores.ts'
import { needConnections } from './measure/files.ts'
import { startRedis } from './measure/redis.ts'
import type { Row, Section } from './measure/report.ts'
import { interleave } from './measure/rounds.ts'
import { seed } from './requests.ts'

const REQUESTS = 4_000
const WATCHERS_OF_ONE = 1_000
const WARM_UP = 200
const TURNS = 3

interface Measured {
  residentKilobytes: number
  heapKilobytes: number
  many: Delivered[]
  one: Delivered[]
}

export async function relay({ rounds }: { rounds: number }): Promise<Section> {
  needConnections(REQUESTS + WARM_UP)
  const redis = await startRedis()
  const hashes = await seed(redis.client, WARM_UP + REQUESTS + 1)
  const warmUp = hashes.slice(0, WARM_UP)
  const many = hashes.slice(WARM_UP, WARM_UP + REQUESTS)
  const one = hashes.slice(WARM_UP + REQUESTS)
  const others = await startOthers(redis.url)
  const { watchers } = others

  /** Ends the process: what it holds shows in a fresh one only. */
  const measure = async (child: Child, url: string, kind: Kind): Promise<Measured> => {
    const connect = (hashes: string[]): Promise<void> =>
      watchers.ask('connect', { url, kind, hashes } satisfies Watching)
    await connect(warmUp)
    await deliver(child, others, { hashes: warmUp, perSecond: 2_000, seconds: 0.5 })
    const before = await child.memory()
    await connect(many)
    await settle(child)
    const after = await child.memory()
    // The first update of each request leaves more behind than those that follow.
    await deliver(child, others, { hashes: many, perSecond: 4_000, seconds: 1 })
    separate([child], [watchers, others.bots, redis])
    const toMany = await turns(() => deliver(child, others, { hashes: many, perSecond: 4_000, seconds: 0.5 }))
    await watchers.ask('close')
    await connect(one.flatMap((hash) => Array<string>(WATCHERS_OF_ONE).fill(hash)))
    // Slower than ours makes one state out of several (20 a second): all of them arrive.
    const reporting = { hashes: one, perSecond: 15, seconds: 0.5 }
    const toOne = await turns(() => deliver(child, others, reporting, WATCHERS_OF_ONE))
    await watchers.ask('close')
    await child.stop()
    return {
      residentKilobytes: (after.resident - before.resident) / REQUESTS / 1000,
      heapKilobytes: (after.heap - before.heap) / REQUESTS / 1000,
      many: toMany,
      one: toOne,
    }
  }
  const measureContender = async (file: string, kind: Kind): Promise<Measured> => {
    const child = await startChild(`bench/contenders/${file}`, { env: { REDIS_URL: redis.url } })
    return measure(child, await child.ask('url'), kind)
  }
  const measureOurs = async (): Promise<Measured> => {
    const server = await startServer(redis.url)
    return measure(server, server.url, 'socket.io')
  }
  const measured = await interleave(rounds, {
    ours: [measureOurs],
    plain: [() => measureContender('relay-socketio.ts', 'socket.io')],
    floor: [() => measureContender('relay-ws.ts', 'ws')],
  })
  await others.stop()
  await redis.stop()

  const row = (what: string, unit: string, of: (each: Measured) => number[], atMost?: number): Row => ({
    what,
    unit,
    ours: measured.ours.flatMap(of),
    beside: { 'plain Socket.IO': measured.plain.flatMap(of), 'raw ws': measured.floor.flatMap(of) },
    targets: atMost === undefined ? [] : [{ beside: 'raw ws', atMost }],
  })
  const number = (count: number): string => count.toLocaleString('en')
  const all = `${number(WATCHERS_OF_ONE)} of one`
  return {
    name: 'relay',
    title: `Updates to watchers: ${number(REQUESTS)} requests with one each, then ${number(WATCHERS_OF_ONE)} of one; plain Socket.IO, bare ws`,
    rows: [
      row(
        'CPU a delivered update',
        'µs',
        (each) => each.many.map(({ cpuMicroseconds }) => cpuMicroseconds),
        1.25,
      ),
      row("p50 from the bot's write", 'ms', (each) => each.many.map(({ p50Ms }) => p50Ms)),
      {
        ...row("p99 from the bot's write", 'ms', (each) => each.many.map(({ p99Ms }) => p99Ms)),
        withoutRatios: true,
      },
      row('memory an idle watcher', 'kB', (each) => [each.residentKilobytes], 1.5),
      row('heap an idle watcher', 'kB', (each) => [each.heapKilobytes]),
      row(`CPU a delivered update, ${all}`, 'µs', (each) =>
        each.one.map(({ cpuMicroseconds }) => cpuMicroseconds),
      ),
      row(`p50 from the bot's write, ${all}`, 'ms', (each) => each.one.map(({ p50Ms }) => p50Ms)),
      {
        ...row(`p99 from the bot's write, ${all}`, 'ms', (each) => each.one.map(({ p99Ms }) => p99Ms)),
        withoutRatios: true,
      },
    ],
  }
}

async function turns(deliver: () => Promise<Delivered>): Promise<Delivered[]> {
  const delivered: Delivered[] = []
  for (let turn = 0; turn < TURNS; turn++) delivered.push(await deliver())
  return delivered
}
