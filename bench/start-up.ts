/** How long our processes take until they can be used, and what they hold then. */
import { startBots, startPortal, startServer, startWorkers } from './halfway.ts'
import { type Child, startChild } from './measure/child.ts'
import { startRedis } from './measure/redis.ts'
import type { Row, Section } from './measure/report.ts'
import { interleave } from './measure/rounds.ts'

interface Measured {
  ms: number
  cpuMs: number
  megabytes: number
}

export async function startUp({ rounds }: { rounds: number }): Promise<Section> {
  const redis = await startRedis()
  const measure = async (start: () => Promise<Child>): Promise<Measured> => {
    const began = performance.now()
    const child = await start()
    const ms = performance.now() - began
    const cpuMs = (await child.cpu()) / 1000
    const { resident } = await child.memory()
    await child.stop()
    return { ms, cpuMs, megabytes: resident / 1_000_000 }
  }
  const contenders = {
    server: () => measure(() => startServer(redis.url)),
    workers: () => measure(() => startWorkers(redis.url)),
    bots: () => measure(() => startBots(redis.url)),
    portal: () => measure(() => startPortal(redis.url)),
    bare: () =>
      measure(() => startChild('bench/contenders/bare-process.ts', { env: { REDIS_URL: redis.url } })),
  }
  // The first one fills the caches of tsx and of the system for all.
  await contenders.server()
  const { bare, ...ours } = await interleave(rounds, contenders)
  await redis.stop()

  const rows = (what: string, unit: string, value: keyof Measured): Row[] =>
    Object.entries(ours).map(([name, measured]) => ({
      what: `${what}: ${name}`,
      unit,
      ours: measured.map((each) => each[value]),
      beside: { 'bare node:http + ioredis': bare.map((each) => each[value]) },
    }))
  return {
    name: 'start-up',
    title: 'Start-up, by tsx; a process that only listens and connects',
    rows: [
      ...[...rows('until it is ready', 'ms', 'ms'), ...rows('CPU until then', 'ms', 'cpuMs')].map(
        (row): Row => ({ ...row, withoutRatios: true }),
      ),
      ...rows('idle memory', 'MB', 'megabytes'),
    ],
  }
}
