/** What becomes of the cost as the number of those who watch and who poll grows. */
import type { Asking } from './contenders/people.ts'
import type { Watching } from './contenders/watchers.ts'
import { deliver, type Others, settle, startOthers } from './delivery.ts'
import { type Server, startServer } from './halfway.ts'
import { type Child, startChild } from './measure/child.ts'
import { separate } from './measure/cores.ts'
import { needConnections } from './measure/files.ts'
import type { Pace } from './measure/pace.ts'
import { type BenchRedis, startRedis } from './measure/redis.ts'
import type { Row, Section } from './measure/report.ts'
import { interleave } from './measure/rounds.ts'
import { seed } from './requests.ts'

const [FEW, MANY, MOST] = [1_000, 10_000, 50_000] as const
const WARM_UP = 512
/** As many as a socket of ours may watch. */
const PER_CONNECTION = 64
const UPDATES: Pace = { perSecond: 4_000, seconds: 1 }
/** Until all is compiled, and each request has had its first update, which costs more than those that follow. */
const BEFORE = { perSecond: 10_000, least: 30_000 }

const PEOPLE = 10_000
const EVERY_SECONDS = 5
const CONNECTIONS = 1_000
const ANSWERS: Pace = { perSecond: PEOPLE / EVERY_SECONDS, seconds: 1 }
const ANSWERS_BEFORE: Pace = { perSecond: 4_000, seconds: 1.5 }

/** A process of ours by which requests are watched, and what it holds for each of them. */
interface Watched {
  server: Server
  hashes: string[]
  residentKilobytes: number
  heapKilobytes: number
}

export async function growth({ rounds }: { rounds: number }): Promise<Section> {
  needConnections(CONNECTIONS)
  const redis = await startRedis()
  const updates = await measureWatched(redis, rounds)
  const polled = await measurePolled(redis, rounds)
  await redis.stop()

  const number = (count: number): string => count.toLocaleString('en')
  const update = (count: number, ours: number[]): Row => ({
    what: `CPU a delivered update, ${number(count)} requests`,
    unit: 'µs',
    ours,
    beside: { [`with ${number(FEW)}`]: updates.cpu.few },
    targets: [{ beside: `with ${number(FEW)}`, atMost: 1.5 }],
  })
  const memory = (what: string, kind: 'residentKilobytes' | 'heapKilobytes'): Row => ({
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

async function measureWatched(redis: BenchRedis, rounds: number) {
  const others = await startOthers(redis.url)
  const few = await watch(redis, others, FEW)
  const many = await watch(redis, others, MANY)
  const most = await watch(redis, others, MOST)
  const servers = [few, many, most].map(({ server }) => server)
  separate(servers, [others.bots, others.watchers, redis])
  const cpu = ({ server, hashes }: Watched) => [
    async () => (await deliver(server, others, { hashes, ...UPDATES })).cpuMicroseconds,
  ]
  await interleave(1, { few: cpu(few), many: cpu(many), most: cpu(most) })
  const measured = await interleave(rounds, { few: cpu(few), many: cpu(many), most: cpu(most) })
  for (const child of [...servers, others]) await child.stop()
  return { cpu: measured, many, most }
}

/** Starts a process of ours and has so many requests watched. */
async function watch(redis: BenchRedis, others: Others, count: number): Promise<Watched> {
  const server = await startServer(redis.url)
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
  const { resident, heap } = await server.memory()
  await deliver(server, others, {
    hashes,
    perSecond: BEFORE.perSecond,
    seconds: Math.max(count, BEFORE.least) / BEFORE.perSecond,
  })
  return {
    server,
    hashes,
    residentKilobytes: (resident - before.resident) / count / 1000,
    heapKilobytes: (heap - before.heap) / count / 1000,
  }
}

/** @returns the share of a core that answering took, in percent */
async function measurePolled(redis: BenchRedis, rounds: number) {
  const hashes = await seed(redis.client, PEOPLE)
  const people = await startChild('bench/contenders/people.ts')
  const ours = await startServer(redis.url)
  const express = await startChild('bench/contenders/status-express.ts', { env: { REDIS_URL: redis.url } })
  const poll = async (server: Child, url: string, at: Pace): Promise<number> => {
    const asking: Asking = { url, hashes, ...at }
    await people.ask('connect', asking, CONNECTIONS)
    await settle(server)
    const before = await server.cpu()
    const answers = await people.ask<number>('poll', asking)
    const cpuMicroseconds = (await server.cpu()) - before
    await people.ask('close')
    return (cpuMicroseconds / answers) * (ANSWERS.perSecond / 1_000_000) * 100
  }
  const expressUrl = await express.ask<string>('url')
  const contenders = (at: Pace) => ({
    ours: [() => poll(ours, ours.url, at)],
    express: [() => poll(express, expressUrl, at)],
  })
  await interleave(1, contenders(ANSWERS_BEFORE))
  separate([ours, express], [people, redis])
  const polled = await interleave(rounds, contenders(ANSWERS))
  for (const child of [ours, express, people]) await child.stop()
  return polled
}
