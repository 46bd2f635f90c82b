/** The measured installation: Redis with one master or three, servers behind HAProxy, workers, bots and people. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../core/redis/local-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { useFolder } from '../helpers/redis.ts'
import { type RedisProcess, startCluster, startSentinel } from '../helpers/redis-servers.ts'
import { addSeen, type Load, type Seen, SLUGS } from './load.ts'
import {
  type Measured,
  type Member,
  measure,
  type Starter,
  startMain,
  startMember,
  startProgram,
} from './processes.ts'

interface RedisNodes {
  settings: Record<string, string>
  masters: readonly RedisProcess[]
  replicas: readonly RedisProcess[]
}

export interface RedisMaster extends Measured {
  /** So far, those of scripts included. */
  commands(): Promise<number>
  kill(): Promise<void>
}

export interface Topology {
  settings: Record<string, string>
  masters: readonly RedisMaster[]
  servers: readonly Member[]
  workers: readonly Member[]
  /** All processes, masters first. */
  all: readonly Measured[]
  /** Resolves once all requests of the load have ended. */
  run(load: Load): Promise<Seen>
}

export const TOPOLOGIES: Record<string, () => Promise<RedisNodes>> = {
  async 'one master'() {
    const { settings, dataNodes } = await startSentinel()
    return { settings, masters: dataNodes.slice(0, 1), replicas: dataNodes.slice(1) }
  },
  async 'three masters'() {
    const cluster = await startCluster()
    const settings = { ...cluster.settings, REDIS_CLUSTER_CHANNELS: 'sharded' }
    return { settings, masters: cluster.nodes.slice(0, 3), replicas: cluster.nodes.slice(3) }
  },
}

const SERVERS = 4
const WORKERS = 4
const BOTS = 3
const WATCHERS_OF_A_PROCESS = 5_000
export const WATCHERS_OF_A_REQUEST = 10
const SETTINGS = {
  NODE_ENV: 'production',
  LOCAL_API_TOKEN: randomBytes(24).toString('base64url'),
  HOST: '127.0.0.1',
  // A machine that is busy with all of them is no Redis that fails.
  REDIS_CONNECT_TIMEOUT_MS: '10000',
  TRUST_PROXY: '1',
  SOCKETS_PER_ADDRESS: '0',
  SUBMITS_PER_MINUTE: '1000000',
  MAX_UNFINISHED_PER_SUBMITTER: '1000000',
  MAX_UNFINISHED_PER_QUEUE: '1000000',
  MAX_UNFINISHED: '1000000',
  BOT_CONCURRENCY: '10000',
  WORKER_CONCURRENCY: '1000',
}

export async function startTopology(
  startRedis: () => Promise<RedisNodes>,
  watchers: number,
  starter: Starter,
): Promise<Topology> {
  const { settings, masters, replicas } = await startRedis()
  const startAll = (role: string, count: number, main: string, portSetting: string) =>
    Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const port = String(await freePort())
        const env = { ...SETTINGS, ...settings, [portSetting]: port }
        return { port, member: await startMember(`${role} ${i + 1}`, () => startMain(starter, main, env)) }
      }),
    )
  const servers = await startAll('server', SERVERS, 'server/main.ts', 'PORT')
  const workers = await startAll('worker', WORKERS, 'workers/main.ts', 'NO_PORT')
  const bots = await startAll('bot', BOTS, 'test/topology/bot.ts', 'LOCAL_API_PORT')
  const { url, proxy } = await startProxy(
    starter,
    servers.map(({ port }) => port),
  )
  const length = Math.ceil(watchers / WATCHERS_OF_A_PROCESS)
  const crowds = await Promise.all(
    Array.from({ length }, (_, i) =>
      startMain(starter, 'test/topology/people.ts', {
        URL: url,
        WATCHERS: String(watchers / length),
        WATCHERS_OF_A_REQUEST: String(WATCHERS_OF_A_REQUEST),
        NETWORK: String(i + 1),
      }),
    ),
  )
  const measuredMasters = await Promise.all(masters.map((node, i) => measureRedis(`master ${i + 1}`, node)))
  const measuredReplicas = await Promise.all(
    replicas.map((node, i) => measureRedis(`replica ${i + 1}`, node)),
  )
  const members = [servers, workers, bots].map((all) => all.map(({ member }) => member))
  return {
    settings,
    masters: measuredMasters,
    servers: members[0] ?? [],
    workers: members[1] ?? [],
    all: [
      ...measuredMasters,
      ...measuredReplicas,
      ...members.flat(),
      proxy,
      ...crowds.map(({ pid }, i) => measure(`people ${i + 1}`, () => pid as number)),
    ],
    async run(load) {
      const requestsPerSecond = load.requestsPerSecond / crowds.length
      const seen = crowds.map(async (crowd) => {
        crowd.send({ ...load, requestsPerSecond })
        return (await once(crowd, 'message'))[0] as Seen
      })
      return addSeen(await Promise.all(seen))
    },
  }
}

async function measureRedis(name: string, node: RedisProcess): Promise<RedisMaster> {
  const info = async (section: string): Promise<string> => String(await node.run('INFO', section))
  const pid = Number(/^process_id:(\d+)/m.exec(await info('server'))?.[1])
  return {
    ...measure(name, () => pid),
    async commands() {
      if (!node.isRunning) return Number.NaN
      const calls = (await info('commandstats')).matchAll(/^cmdstat_(?!info)\S+:calls=(\d+)/gm)
      return [...calls].reduce((sum, [, count]) => sum + Number(count), 0)
    },
    kill: () => node.end('SIGKILL'),
  }
}

/** HAProxy as in deploy/, without TLS and its limit of connections. */
async function startProxy(
  starter: Starter,
  ports: readonly string[],
): Promise<{ url: string; proxy: Measured }> {
  const port = await freePort()
  const sample = readFileSync(new URL('../../deploy/haproxy/haproxy.cfg', import.meta.url), 'utf8')
  const conf = sample
    .replace(
      /^.*(?:maxconn|bind :443|redirect scheme|X-Forwarded-Proto|Strict-Transport|server server-).*$/gm,
      '',
    )
    .replace(' bind :80', ` bind 127.0.0.1:${port}`)
  const file = join(useFolder(), 'haproxy.cfg')
  writeFileSync(file, conf + ports.map((to, i) => `    server server-${i + 1} 127.0.0.1:${to}\n`).join(''))
  const { pid } = startProgram(starter, ['haproxy', '-db', '-f', file])
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => {
    for (const slug of SLUGS)
      if (!(await fetch(`${url}/services/${slug}`)).ok) throw new Error(`${slug} is not known yet`)
  })
  return { url, proxy: measure('haproxy', () => pid as number) }
}
