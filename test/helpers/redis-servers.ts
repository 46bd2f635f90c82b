/**
 * Real Redis servers that tests kill, freeze and fail over: single, with Sentinels, as a Cluster. All on free loopback
 * ports, each in its own folder; none outlives the test file. They may be started inside a test.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort, installedServer } from '../../core/redis/local-server.ts'
import { cleanUp } from './clean-up.ts'
import { eventually } from './eventually.ts'
import { useFolder } from './redis.ts'

/** Lines of a redis.conf; a name with several values has several lines. */
export type RedisConf = Record<string, string | string[]>
/** Environment variables for the processes. */
type Settings = Record<string, string>

export interface RedisProcess {
  readonly host: string
  readonly port: number
  /** Where it speaks TLS; undefined where it does not. */
  readonly tlsPort: number | undefined
  readonly settings: Settings
  readonly isRunning: boolean
  /** Runs one command on a connection of its own. */
  run(...command: (string | number)[]): Promise<unknown>
  /** Resolves once it has ended. SIGTERM lets it save according to its configuration, SIGKILL does not. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  freeze(): void
  thaw(): void
  /** Starts it again at the same port, with its saved data or `empty`. */
  restart(options?: { empty?: boolean }): Promise<void>
}

export interface Topology {
  readonly settings: Settings
  /** Kills all servers, for tests that start another topology afterwards. */
  stop(): Promise<void>
}

export interface SentinelTopology extends Topology {
  /** The master by the Sentinels. */
  master(): Promise<RedisProcess>
  readonly dataNodes: readonly RedisProcess[]
}

export interface ClusterTopology extends Topology {
  /** The master of the key's slot. */
  findMaster(key: string): Promise<RedisProcess>
  /** Moves the slot of this key to another master, with `meanwhile` between its keys and itself. */
  moveSlot(key: string, meanwhile?: () => Promise<void>): Promise<void>
  readonly nodes: readonly RedisProcess[]
}

const MASTER_NAME = 'halfway-test'
const SLOTS = 16_384
const killAll = async (all: RedisProcess[]): Promise<void> => {
  await Promise.all(all.map((server) => server.end('SIGKILL')))
}

/** Lines for TLS: a server has a port for it, too, and speaks it to the other servers. */
export const tlsConf = (ca: string, { cert, key }: { cert: string; key: string }): RedisConf => ({
  'tls-port': '',
  'tls-cert-file': cert,
  'tls-key-file': key,
  'tls-ca-cert-file': ca,
  'tls-auth-clients': 'no',
  'tls-replication': 'yes',
  'tls-cluster': 'yes',
})

/** @param conf as in redis.conf, such as `{ appendonly: 'yes', maxmemory: '3mb' }`; by default nothing is saved */
export const startSingle = (conf: RedisConf = {}): Promise<RedisProcess> => startServer(() => conf)

/**
 * Three Sentinels, a master and a replica; a dead master is replaced after about two seconds.
 *
 * @param conf of all of them
 * @param users further lines of the Sentinels
 */
export async function startSentinel(conf: RedisConf = {}, users: RedisConf = {}): Promise<SentinelTopology> {
  const first = await startServer(() => conf)
  const masterPort = first.tlsPort ?? first.port
  const second = await startServer(() => ({ replicaof: `127.0.0.1 ${masterPort}`, ...conf }))
  const dataNodes = [first, second]
  const sentinels = await Promise.all(
    [1, 2, 3].map(() =>
      startServer(
        () => ({
          ...conf,
          ...users,
          sentinel: [
            `monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} 2`,
            `down-after-milliseconds ${MASTER_NAME} 1000`,
            `failover-timeout ${MASTER_NAME} 3000`,
          ],
        }),
        'sentinel',
      ),
    ),
  )
  await eventually(
    async () => {
      for (const sentinel of sentinels) {
        await sentinel.run('SENTINEL', 'CKQUORUM', MASTER_NAME)
        const replicas = String(await sentinel.run('SENTINEL', 'REPLICAS', MASTER_NAME))
        if (!/,flags,slave,/.test(replicas) || !/master-link-status,ok/.test(replicas))
          throw new Error(`the replica is not ready: ${replicas}`)
      }
    },
    { withinMs: 15_000, everyMs: 50 },
  )
  return {
    settings: {
      REDIS_SENTINELS: addressesOf(sentinels),
      REDIS_SENTINEL_NAME: MASTER_NAME,
    },
    dataNodes,
    async master() {
      const [sentinel] = sentinels as [RedisProcess]
      const [, port] = (await sentinel.run('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as string[]
      return dataNodes.find((node) => (node.tlsPort ?? node.port) === Number(port)) as RedisProcess
    },
    stop: () => killAll([...sentinels, ...dataNodes]),
  }
}

/** Three masters with a replica each; a dead master is replaced after about three seconds. */
export async function startCluster(conf: RedisConf = {}): Promise<ClusterTopology> {
  const nodes = await Promise.all(
    Array.from({ length: 6 }, () =>
      startServer(async () => ({
        'cluster-enabled': 'yes',
        'cluster-port': String(await freePort()),
        'cluster-node-timeout': '1500',
        'cluster-replica-validity-factor': '0',
        ...conf,
      })),
    ),
  )
  const [first, ...others] = nodes as [RedisProcess, ...RedisProcess[]]
  const masters = nodes.slice(0, 3)
  const ids = (await Promise.all(nodes.map((node) => node.run('CLUSTER', 'MYID')))) as string[]
  const busPorts = await Promise.all(
    nodes.map(async (node) => String(((await node.run('CONFIG', 'GET', 'cluster-port')) as string[])[1])),
  )
  await Promise.all(
    masters.map(async (node, i) => {
      await node.run('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
      const [from, to] = [i, i + 1].map((part) => Math.floor((SLOTS * part) / masters.length)) as [
        number,
        number,
      ]
      await node.run('CLUSTER', 'ADDSLOTSRANGE', from, to - 1)
    }),
  )
  for (const [i, node] of others.entries())
    await first.run('CLUSTER', 'MEET', node.host, node.port, busPorts[i + 1] as string)
  await eventually(
    async () => {
      for (const [i, node] of nodes.slice(3).entries())
        await node.run('CLUSTER', 'REPLICATE', ids[i] as string)
      for (const node of nodes) {
        const state = `${await node.run('CLUSTER', 'INFO')}${await node.run('INFO', 'replication')}`
        const known = String(await node.run('CLUSTER', 'NODES'))
        if (
          !state.includes('cluster_state:ok') ||
          state.includes('master_link_status:down') ||
          known.match(/slave /g)?.length !== 3
        )
          throw new Error(`the Cluster is not ready: ${state}`)
      }
    },
    { withinMs: 15_000, everyMs: 50 },
  )
  const findMaster: ClusterTopology['findMaster'] = async (key) => {
    const alive = nodes.find((node) => node.isRunning) as RedisProcess
    const slot = Number(await alive.run('CLUSTER', 'KEYSLOT', key))
    const ranges = (await alive.run('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
    const [, , [, port] = ['', 0]] = ranges.find(([from, to]) => from <= slot && slot <= to) ?? []
    return nodes.find((node) => node.port === port) as RedisProcess
  }
  return {
    settings: { REDIS_CLUSTER_NODES: addressesOf(nodes) },
    nodes,
    findMaster,
    async moveSlot(key, meanwhile) {
      const from = await findMaster(key)
      const to = masters.find((node) => node !== from) as RedisProcess
      const [fromId, toId] = [from, to].map((node) => ids[nodes.indexOf(node)] as string) as [string, string]
      const slot = Number(await from.run('CLUSTER', 'KEYSLOT', key))
      await to.run('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId)
      await from.run('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId)
      const keys = (await from.run('CLUSTER', 'GETKEYSINSLOT', slot, 1000)) as string[]
      if (keys.length > 0) await from.run('MIGRATE', to.host, to.port, '', 0, 2000, 'KEYS', ...keys)
      await meanwhile?.()
      for (const node of [to, from]) await node.run('CLUSTER', 'SETSLOT', slot, 'NODE', toId)
    },
    stop: () => killAll(nodes),
  }
}

const addressesOf = (servers: readonly RedisProcess[]): string =>
  servers
    .map(({ port, tlsPort }) => (tlsPort ? `rediss://localhost:${tlsPort}` : `127.0.0.1:${port}`))
    .join(',')

/** Retries on another port when this one was taken meanwhile. */
async function startServer(
  conf: () => RedisConf | Promise<RedisConf>,
  kind: 'server' | 'sentinel' = 'server',
): Promise<RedisProcess> {
  for (let tries = 1; ; tries++) {
    const given = await conf()
    const tlsPort = 'tls-port' in given ? await freePort() : undefined
    const server = createServer(await freePort(), tlsPort, given, kind)
    try {
      await server.restart({ empty: true })
      return server
    } catch (error) {
      if (tries === 5 || !/in use/i.test(String(error))) throw error
    }
  }
}

function createServer(
  port: number,
  tlsPort: number | undefined,
  given: RedisConf,
  kind: 'server' | 'sentinel',
): RedisProcess {
  const base: RedisConf = { port: String(port), bind: '127.0.0.1' }
  const conf = tlsPort === undefined ? given : { ...given, 'tls-port': String(tlsPort) }
  const serverDefaults: RedisConf = { save: '', 'repl-diskless-sync-delay': '0' }
  let dir = ''
  let child: ChildProcess | null = null
  const isRunning = (): boolean => child !== null && child.exitCode === null && child.signalCode === null

  const run: RedisProcess['run'] = async (...command) => {
    const [name, ...args] = command as [string, ...(string | number)[]]
    const client = new Redis({
      port,
      lazyConnect: true,
      retryStrategy: null,
      commandTimeout: 2000,
      protocol: 2,
      // It sends INFO, which a test may rename.
      enableReadyCheck: false,
    })
    client.on('error', () => {})
    try {
      await client.connect()
      return await client.call(name, ...args)
    } finally {
      client.disconnect()
    }
  }

  return {
    host: '127.0.0.1',
    port,
    tlsPort,
    settings: {
      REDIS_URL: tlsPort ? `rediss://localhost:${tlsPort}` : `redis://127.0.0.1:${port}`,
    },
    get isRunning() {
      return isRunning()
    },
    run: run,
    async end(signal) {
      if (!child || !isRunning()) return
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async restart({ empty = false } = {}) {
      if (empty) {
        dir = useFolder()
        writeConf(dir, { ...base, dir, ...(kind === 'server' && serverDefaults), ...conf })
      }
      const started = spawn(
        installedServer() as string,
        [join(dir, 'redis.conf'), ...(kind === 'sentinel' ? ['--sentinel'] : [])],
        { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
      )
      child = started
      cleanUp(() => void started.kill('SIGKILL'))
      let output = ''
      for (const stream of [started.stdout, started.stderr])
        stream.on('data', (data) => {
          output = (output + data).slice(-2000)
        })
      const ended = once(started, 'exit').then(() => {
        throw new Error(`redis-server did not start: ${output}`)
      })
      ended.catch(() => {})
      await Promise.race([
        eventually(() => run(kind === 'server' ? 'DBSIZE' : 'PING'), { everyMs: 20 }),
        ended,
      ])
    },
  }
}

function writeConf(dir: string, conf: RedisConf): void {
  const lines = Object.entries(conf).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name} ${one === '' ? '""' : one}\n`),
  )
  writeFileSync(join(dir, 'redis.conf'), lines.join(''))
}
