/**
 * One client for each way in which Redis may stand somewhere: a single server (TCP, TLS or unix socket), the master that
 * Sentinels name, a Cluster. Whatever moves there, the same client goes on.
 */
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { parseRedisAddress } from '../runtime/redis-address.ts'
import type { RedisTarget } from '../runtime/redis-target.ts'

export type RealTarget = Exclude<RedisTarget, { kind: 'embedded' }>
type ClusterTarget = Extract<RedisTarget, { kind: 'cluster' }>
type Node = ClusterTarget['nodes'][number]

/** How long a Cluster is left alone before the same command is tried again. */
const RETRY_DELAY_MS = 100
const SENTINEL_ANSWERS_WITHIN_MS = 1000

export function createClient(target: Exclude<RealTarget, ClusterTarget>, options: RedisOptions): Redis {
  const client = new Redis({ ...options, ...connectionOptions(target) })
  // Each of the many commands that are answered by a replica at once hangs up, and listens for the end of it.
  client.on('connect', () => client.stream.setMaxListeners(0))
  corkWrites(client)
  return client
}

/**
 * Commands that are given in one turn of the event loop leave in one write, which is most of what a command costs. Each
 * stays a command of its own: of a pipeline that was answered in part when the connection broke, ioredis gives the rest
 * up; and in a Cluster, of one only some of which a failover lets pass, it hands the redirections of the others to the
 * caller instead of following them.
 */
function corkWrites(client: Redis): void {
  const send = client.sendCommand.bind(client)
  client.sendCommand = (command, pipeline) => {
    const { stream } = client
    if (!pipeline && stream && stream.writableCorked === 0) {
      stream.cork()
      process.nextTick(() => stream.uncork())
    }
    return send(command, pipeline)
  }
}

export function createCluster({ nodes, password }: ClusterTarget, options: RedisOptions): Cluster {
  const { scripts, lazyConnect, enableOfflineQueue, retryStrategy, ...node } = options
  const limitMs = options.commandTimeout
  const cluster = new Cluster(nodes, {
    scripts,
    lazyConnect,
    enableOfflineQueue,
    maxRedirections: limitMs === undefined ? Number.POSITIVE_INFINITY : Math.ceil(limitMs / RETRY_DELAY_MS),
    // Who connects while the Cluster is not whole would never hear how that ended, BullMQ's workers among them;
    // commands find out for themselves, and are tried again.
    enableReadyCheck: false,
    retryDelayOnMoved: RETRY_DELAY_MS,
    retryDelayOnFailover: RETRY_DELAY_MS,
    retryDelayOnClusterDown: RETRY_DELAY_MS,
    clusterRetryStrategy: retryStrategy ?? undefined,
    redisOptions: { ...node, password },
  })
  cluster.on('+node', corkWrites)
  if (limitMs !== undefined) limitCommands(cluster, limitMs)
  // Where to begin when all connections were lost: the nodes of the settings may have left the Cluster long before.
  cluster.on('refresh', () => void Object.assign(cluster, { startupNodes: [...nodes, ...nodesOf(cluster)] }))
  return cluster
}

/**
 * A command's time runs from when it is given; by itself it would begin when a node takes it, and that may last. And one
 * that has failed for its caller is not tried again.
 */
function limitCommands(cluster: Cluster, limitMs: number): void {
  const send = cluster.sendCommand.bind(cluster)
  cluster.sendCommand = (command, ...rest) => {
    command.setTimeout(limitMs)
    const answer = send(command, ...rest)
    const tryAgainOrReject = command.reject
    command.reject = (error) => {
      if (!command.isSettled) tryAgainOrReject(error)
    }
    return answer
  }
}

/**
 * The one who listens in a Cluster: a plain connection to any node, since what is published reaches them all. Each try
 * to connect goes to another one. (A Cluster client would do so too, but without telling when it hears again.)
 *
 * @param known the nodes that there are just now; none when nobody knows
 */
export function createClusterSubscriber(
  { nodes, password }: ClusterTarget,
  options: RedisOptions,
  known: () => Node[],
): Redis {
  const next = (): Node => {
    const candidates = known()
    const from = candidates.length > 0 ? candidates : nodes
    const { host, port } = from[Math.floor(Math.random() * from.length)] as Node
    return { host, port }
  }
  const subscriber: Redis = new Redis({
    ...options,
    ...next(),
    password,
    retryStrategy(times) {
      Object.assign(subscriber.options, next())
      return options.retryStrategy?.(times)
    },
  })
  return subscriber
}

export const nodesOf = (cluster: Cluster): Node[] =>
  cluster.nodes('all').map(({ options }) => ({ host: options.host as string, port: options.port as number }))

function connectionOptions(target: Exclude<RealTarget, ClusterTarget>): RedisOptions {
  if (target.kind === 'sentinel') {
    const { sentinels, name, password, db } = target
    return { sentinels, name, password, db, sentinelCommandTimeout: SENTINEL_ANSWERS_WITHIN_MS }
  }
  if (!('url' in target))
    return { host: target.host, port: target.port, password: target.password, db: target.db }
  const address = parseRedisAddress(target.url)
  if ('path' in address) return address
  const { tls, ...place } = address
  return { ...place, ...(tls && { tls: {} }) }
}

/** Without a password: for messages and logs. */
export function describeTarget(target: RealTarget): string {
  if (target.kind === 'cluster') return target.nodes.map((node) => `${node.host}:${node.port}`).join(',')
  if (target.kind === 'sentinel') return `Sentinel master "${target.name}"`
  const place = connectionOptions(target)
  return place.path ?? `${place.host}:${place.port}`
}

/**
 * Without the right to INFO, BullMQ would not start and ioredis would warn at each connection: neither asks for it then,
 * nor do the connections that BullMQ makes by these options.
 */
export async function spareInfo(client: Redis | Cluster): Promise<void> {
  const options = client instanceof Cluster ? client.options.redisOptions : client.options
  try {
    await client.info('server')
  } catch (error) {
    if (!(error as Error).message.startsWith('NOPERM')) throw error
    Object.assign(options ?? {}, { enableReadyCheck: false, skipVersionCheck: true })
  }
}
