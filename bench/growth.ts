/** What becomes of the cost as the number of those who watch and who poll grows. */
import type { Asking } from './contenders/people.ts'
import type { Watching } from './contenders/watchers.ts'
import { type Delivered, deliver, settle, startOthers } from './delivery.ts'
import { startServer } from './halfway.ts'
import { type Child, startChild } from './measure/child.ts'
import { needConnections } from './measure/files.ts'
import { type BenchRedis, startRedis } from './measure/redis.ts'
import type { Section } from './measure/report.ts'
import { interleave } from './measure/rounds.ts'
import { seed } from './requests.ts'

const [FEW, MANY, MOST] = [1_000, 10_000, 50_000] as const
const WARM_UP = 512
/** As many as a socket of ours may watch. */
const PER_CONNECTION = 64
const UPDATES = { perSecond: 2_000, seconds: 3 }

const PEOPLE = 10_000
const EVERY_SECONDS = 5
const CONNECTIONS = 1_000
const ANSWERS = { perSecond: PEOPLE / EVERY_SECONDS, seconds: 3 }

/** Of so many watched requests; the memory is that of each. */
interface Watched extends Delivered {
  residentKilobytes: number
  heapKilobytes: number
}
type Growing = Record<typeof FEW | typeof MANY | typeof MOST, Watched>

export async function growth({ rounds }: { rounds: number }): Promise<Section> {
  needConnections(CONNECTIONS)
  const redis = await startRedis()
  const hashes = await seed(redis.client, WARM_UP + MOST)
  const { watched } = await interleave(rounds, { watched: () => measureWatched(redis, hashes) })
  const polled = await measurePolled(redis, hashes.slice(0, PEOPLE), rounds)
  await redis.stop()

  const of = (count: keyof Growing, what: keyof Watched): number[] => watched.map((each) => each[count][what])
  const number = (count: number): string => count.toLocaleString('en')
  const beside = (count: keyof Growing, what: keyof Watched) => ({
    [`with ${number(count)}`]: of(count, what),
  })
  const update = (count: keyof Growing) => ({
    what: `CPU a delivered update, ${number(count)} requests`,
    unit: 'µs',
    ours: of(count, 'cpuMicroseconds'),
    beside: beside(FEW, 'cpuMicroseconds'),
    targets: [{ beside: `with ${number(FEW)}`, atMost: 1.5 }],
  })
  const memory = (what: string, kind: 'residentKilobytes' | 'heapKilobytes') => ({
    what: `${what} a watched request, ${number(MOST)} requests`,
    unit: 'kB',
    ours: of(MOST, kind),
    beside: beside(MANY, kind),
  })
  return {
    name: 'growth',
    title: `As it grows: watched requests, ${PER_CONNECTION} a connection, ${number(UPDATES.perSecond)} updates a second; ${number(PEOPLE)} who poll every ${EVERY_SECONDS} s over ${number(CONNECTIONS)} connections`,
    rows: [
      update(MANY),
      update(MOST),
      memory('memory', 'residentKilobytes'),
      memory('heap', 'heapKilobytes'),
      {
        what: `share of a core for ${number(PEOPLE)} who poll`,
        unit: '%',
        ours: polled.ours,
        beside: { Express: polled.express },
      },
    ],
  }
}

/** More and more requests in one process of ours, a fresh one. */
async function measureWatched(redis: BenchRedis, hashes: string[]): Promise<Growing> {
  const others = await startOthers(redis.url)
  const server = await startServer(redis.url)
  const connect = (hashes: string[]): Promise<void> => {
    const watching: Watching = { url: server.url, kind: 'socket.io', hashes, perConnection: PER_CONNECTION }
    return others.watchers.ask('connect', watching)
  }
  const warmUp = hashes.slice(0, WARM_UP)
  const rest = hashes.slice(WARM_UP)
  await connect(warmUp)
  await deliver(server, others, { hashes: warmUp, perSecond: 2_000, seconds: 2 })
  const before = await server.memory()

  const watch = async (from: number, until: number): Promise<Watched> => {
    await connect(rest.slice(from, until))
    await settle(server)
    const { resident, heap } = await server.memory()
    const delivered = await deliver(server, others, { hashes: rest.slice(0, until), ...UPDATES })
    return {
      ...delivered,
      residentKilobytes: (resident - before.resident) / until / 1000,
      heapKilobytes: (heap - before.heap) / until / 1000,
    }
  }
  const growing = {
    [FEW]: await watch(0, FEW),
    [MANY]: await watch(FEW, MANY),
    [MOST]: await watch(MANY, MOST),
  }
  await server.stop()
  await others.stop()
  return growing
}

/** @returns the share of a core that answering took, in percent */
async function measurePolled(redis: BenchRedis, hashes: string[], rounds: number) {
  const people = await startChild('bench/contenders/people.ts')
  const ours = await startServer(redis.url)
  const express = await startChild('bench/contenders/status-express.ts', { env: { REDIS_URL: redis.url } })
  const poll = async (server: Child, url: string): Promise<number> => {
    const asking: Asking = { url, hashes, ...ANSWERS }
    await people.ask('connect', asking, CONNECTIONS)
    await people.ask('poll', { ...asking, seconds: 2 })
    await settle(server)
    const before = await server.cpu()
    const answers = await people.ask<number>('poll', asking)
    const cpuMicroseconds = (await server.cpu()) - before
    await people.ask('close')
    return (cpuMicroseconds / answers) * (ANSWERS.perSecond / 1_000_000) * 100
  }
  const polled = await interleave(rounds, {
    ours: () => poll(ours, ours.url),
    express: async () => poll(express, await express.ask('url')),
  })
  for (const child of [ours, express, people]) await child.stop()
  return polled
}
