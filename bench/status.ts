/** How a request stands, asked over 64 connections. */
import type { Polled, Polling } from './contenders/pollers.ts'
import { type Server, startServer } from './halfway.ts'
import { type Child, startChild } from './measure/child.ts'
import { startRedis } from './measure/redis.ts'
import type { Row, Section } from './measure/report.ts'
import { interleave } from './measure/rounds.ts'
import { seed } from './requests.ts'

const CONNECTIONS = 64
const FEW = 1_000
const MANY = 100_000

/** Of each contender, which take turns: one process may be luckier than another in how its code comes to be compiled. */
const PROCESSES = 3
const several = <T>(start: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: PROCESSES }, start))

interface Measured extends Polled {
  cpuMicroseconds: number
}

export async function status({ rounds, seconds }: { rounds: number; seconds: number }): Promise<Section> {
  const redis = await startRedis()
  const hashes = await seed(redis.client, MANY)
  const few = hashes.slice(0, FEW)
  const env = { REDIS_URL: redis.url }
  const pollers = await startChild('bench/contenders/pollers.ts')
  const contender = (file: string, more = {}): Promise<Child[]> =>
    several(() => startChild(`bench/contenders/${file}`, { env: { ...env, ...more } }))
  const ours = await several(() => startServer(redis.url))
  const express = await contender('status-express.ts')
  const bare = await contender('status-bare.ts')
  const stripped = await contender('status-bare.ts', { PRIVATE: 'true' })

  const urlOf = async (server: Child): Promise<string> =>
    'url' in server ? (server as Server).url : server.ask('url')
  const tagsOf = async ([server]: Child[]): Promise<string[]> =>
    pollers.ask('tagsOf', await urlOf(server as Child), few)
  const poll = (servers: Child[], some: string[], tags?: string[]): (() => Promise<Measured>) => {
    let turn = 0
    return async () => {
      const server = servers[turn++ % servers.length] as Child
      const polling: Polling = {
        url: await urlOf(server),
        hashes: some,
        tags,
        connections: CONNECTIONS,
        seconds,
      }
      const before = await server.cpu()
      const polled = await pollers.ask<Polled>('poll', polling)
      return { ...polled, cpuMicroseconds: ((await server.cpu()) - before) / polled.answers }
    }
  }
  // Those that are compared stand side by side.
  const main = {
    express: poll(express, few),
    ours: poll(ours, few),
    bare: poll(bare, few),
    stripped: poll(stripped, few),
  }
  const contenders = {
    ...main,
    many: poll(ours, hashes),
    unchanged: poll(ours, few, await tagsOf(ours)),
    expressUnchanged: poll(express, few, await tagsOf(express)),
  }
  await interleave(PROCESSES, main)
  const measured = await interleave(rounds, contenders)
  for (const child of [...ours, ...express, ...bare, ...stripped, pollers]) await child.stop()
  await redis.stop()

  const of = (name: keyof typeof contenders, what: keyof Measured): number[] =>
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
        targets: [
          { beside: 'Express', atLeast: 3 },
          { beside: 'bare', atLeast: 0.85 },
        ],
      },
      {
        what: 'CPU of the server an answer',
        unit: 'µs',
        ours: of('ours', 'cpuMicroseconds'),
        beside: beside('cpuMicroseconds'),
      },
      { what: 'p50', unit: 'ms', ours: of('ours', 'p50Ms'), beside: beside('p50Ms') },
      { what: 'p99', unit: 'ms', ours: of('ours', 'p99Ms'), beside: beside('p99Ms') },
      {
        what: 'p50 with 100,000 records',
        unit: 'ms',
        ours: of('many', 'p50Ms'),
        beside: { 'with 1,000': of('ours', 'p50Ms') },
        targets: [{ beside: 'with 1,000', atMost: 1.1 }],
      },
      {
        what: 'answers a second with If-None-Match',
        unit: '/s',
        ours: of('unchanged', 'perSecond'),
        beside: { Express: of('expressUnchanged', 'perSecond'), 'without it': of('ours', 'perSecond') },
      },
    ],
  }
}
