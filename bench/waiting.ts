/** What a long queue costs: Redis and latency of what people and operators do, with 1,000, 10,000 and 100,000 waiting. */
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createQueues } from '../core/queue/queues.ts'
import { freePort } from '../core/redis/local-server.ts'
import { createLog } from '../core/runtime/log.ts'
import { compiled, startHalfway, startProcess } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import type { Row } from './report.ts'
import { SERVICE } from './requests.ts'
import { median } from './rounds.ts'
import { submitBatches, submitOne, UNLIMITED } from './submit.ts'

const FEW = 1_000
const SIZES = [FEW, 10_000, 100_000] as const
const REPEATS = 5
/** Longer than the answers of readyz and the metrics are kept. */
const PAUSE_MS = 1_100
/** Within this time each waiting request is checked once. */
const CHECKS_SECONDS = 30
const ADMIN_TOKEN = 'kT9-vWq2_ZrB7xLm4PdY'
const CLI = fileURLToPath(new URL('../cli/main.ts', import.meta.url))
const run = promisify(execFile)

/** Until answered; processor time, commands and answers of Redis. */
type Cost = Record<'ms' | 'ms of Redis' | 'commands' | 'kB', number>
type Costs = Map<string, Cost>

export async function waiting(redis: BenchRedis): Promise<Row[]> {
  const metricsPort = String(await freePort())
  const env = { REDIS_URL: redis.url, ...UNLIMITED }
  const server = await startHalfway({ ...env, ADMIN_TOKEN, METRICS_PORT: metricsPort })
  const log = createLog('bench', 'warn')
  const queues = createQueues({ redis: redis.client, log, queueList: () => [SERVICE.queue] })
  await queues.pause(SERVICE.queue.name)
  const paths = await createPaths(redis, server.url, metricsPort, env)
  const bySize = new Map<number, Costs>()
  let filled = 0
  for (const size of SIZES) {
    await submitBatches(server.url, size - filled)
    filled = size
    const costs: Costs = new Map()
    for (const [name, call] of Object.entries(paths)) costs.set(name, await measure(redis, call))
    costs.set('a second of a rescuer', await measureRescuer(redis, env))
    bySize.set(size, costs)
  }
  await queues.stop()
  await server.stop()
  const few = bySize.get(FEW) as Costs
  return SIZES.slice(1).flatMap((size) =>
    [...(bySize.get(size) as Costs)].flatMap(([name, cost]) =>
      (Object.keys(cost) as (keyof Cost)[]).map((unit) => ({
        what: `${name}, ${size} waiting`,
        unit,
        halfway: [cost[unit]],
        beside: `${FEW} waiting`,
        other: [few.get(name)?.[unit] ?? Number.NaN],
      })),
    ),
  )
}

async function createPaths(
  { client }: BenchRedis,
  url: string,
  metricsPort: string,
  env: NodeJS.ProcessEnv,
): Promise<Record<string, () => Promise<unknown>>> {
  const cookie = await signIn(url)
  const get = async (address: string): Promise<void> => {
    const response = await fetch(address, { headers: { cookie, accept: 'text/html, */*' } })
    // Without a worker the server is not ready.
    if (!response.ok && response.status !== 503) throw new Error(`${address}: ${response.status}`)
    await response.arrayBuffer()
  }
  const cli = (...args: string[]): Promise<unknown> =>
    run(process.execPath, ['--import', 'tsx', CLI, ...args], { env: { ...process.env, ...env } })
  return {
    submit: () => submitOne(url),
    'status with place': async () =>
      get(`${url}/api/local-requests/${await client.lindex(client.names.list, FEW / 2)}/status`),
    readyz: () => get(`${url}/readyz`),
    metrics: () => get(`http://127.0.0.1:${metricsPort}/metrics`),
    'console, Now': () => get(`${url}/admin`),
    'console, Requests': () => get(`${url}/admin/requests`),
    'console, Queues': () => get(`${url}/admin/queues`),
    'cli list': () => cli('list'),
    'cli queues': () => cli('queues'),
    // It fails without a worker.
    'cli doctor': () => cli('doctor').catch(() => {}),
    'cli cleanup': () => cli('cleanup', '--dry-run'),
  }
}

async function signIn(url: string): Promise<string> {
  const response = await fetch(`${url}/admin/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: url, accept: 'text/html' },
    body: new URLSearchParams({ token: ADMIN_TOKEN }),
  })
  return response.headers.get('set-cookie')?.split(';')[0] ?? ''
}

async function measure({ client }: BenchRedis, call: () => Promise<unknown>): Promise<Cost> {
  const costs: Cost[] = []
  for (let i = 0; i < REPEATS; i++) {
    await sleep(PAUSE_MS)
    const before = await readStats(client)
    const startedAt = performance.now()
    await call()
    const ms = performance.now() - startedAt
    costs.push({ ...difference(await readStats(client), before), ms })
  }
  const of = (unit: keyof Cost): number => median(costs.map((cost) => cost[unit]))
  return { ms: of('ms'), 'ms of Redis': of('ms of Redis'), commands: of('commands'), kB: of('kB') }
}

/** The queue is held, so the worker does nothing else. */
async function measureRescuer({ client }: BenchRedis, env: NodeJS.ProcessEnv): Promise<Cost> {
  const settings = { NODE_ENV: 'production', LOCAL_API_TOKEN: ADMIN_TOKEN }
  const workers = await startProcess(compiled('workers'), { ...settings, ...env }, '"started"')
  await sleep(CHECKS_SECONDS * 1000)
  const before = await readStats(client)
  await sleep(CHECKS_SECONDS * 1000)
  const all = difference(await readStats(client), before)
  await workers.stop()
  const perSecond = Object.entries(all).map(([unit, value]) => [unit, value / CHECKS_SECONDS])
  return Object.fromEntries(perSecond) as Cost
}

async function readStats(client: BenchRedis['client']): Promise<Cost> {
  const info = (await Promise.all(['cpu', 'commandstats', 'stats'].map((part) => client.info(part)))).join(
    '\n',
  )
  const sum = (pattern: RegExp): number =>
    [...info.matchAll(pattern)].reduce((all, [, value]) => all + Number(value), 0)
  return {
    ms: performance.now(),
    'ms of Redis': 1000 * sum(/^used_cpu_(?:user|sys)_main_thread:([\d.]+)/gm),
    commands: sum(/^cmdstat_(?!info)\S+:calls=(\d+)/gm),
    kB: sum(/^total_net_output_bytes:(\d+)/gm) / 1000,
  }
}

const difference = (after: Cost, before: Cost): Cost =>
  Object.fromEntries(
    (Object.keys(after) as (keyof Cost)[]).map((unit) => [unit, after[unit] - before[unit]]),
  ) as Cost
