/**
 * Creates the client for each topology: a single server (TCP, TLS or unix socket), a master behind Sentinels, a Cluster. A client
 * stays usable through failovers.
 */
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { parseRedisAddress } from '../runtime/redis-address.ts'
import type { RedisTarget } from '../runtime/redis-target.ts'

export type RealTarget = Exclude<RedisTarget, { kind: 'embedded' }>
type ClusterTarget = Extract<RedisTarget, { kind: 'cluster' }>
type Node = ClusterTarget['nodes'][number]

/** Delay before a Cluster command is retried. */
const RETRY_DELAY_MS = 100
const SENTINEL_ANSWERS_WITHIN_MS = 1000

export function createClient(target: Exclude<RealTarget, ClusterTarget>, options: RedisOptions): Redis {
  const client = new Redis({ ...options, ...connectionOptions(target) })
  // Each of the many commands that a replica refuses at the same time disconnects, and adds a listener for the end of it.
  client.on('connect', () => client.stream.setMaxListeners(0))
  corkWrites(client)
  return client
}

/**
 * Sends all commands of one event-loop tick in one write to the socket, which is most of the cost of a command. They stay
 * separate commands, because a pipeline of ioredis has two faults: when the connection breaks after some replies, the rest is
 * not retried; and when a failover redirects some commands of a Cluster, the caller gets those redirections as errors.
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
    // With the check, a client that connects while the Cluster is down never becomes ready, BullMQ's workers included.
    // Without it, commands fail and are retried.
    enableReadyCheck: false,
    retryDelayOnMoved: RETRY_DELAY_MS,
    retryDelayOnFailover: RETRY_DELAY_MS,
    retryDelayOnClusterDown: RETRY_DELAY_MS,
    clusterRetryStrategy: retryStrategy ?? undefined,
    redisOptions: { ...node, password },
  })
  cluster.on('+node', corkWrites)
  if (limitMs !== undefined) limitCommands(cluster, limitMs)
  // Where to reconnect after all connections were lost: the nodes of the settings may have left the Cluster.
  cluster.on(
    'refresh',
    () => void Object.assign(cluster, { startupNodes: [...nodes, ...listNodes(cluster)] }),
  )
  return cluster
}

/**
 * Starts the timeout of a command when it is issued; ioredis starts it only when a node accepts the command, which may take
 * long. A command that has timed out is not retried.
 */
function limitCommands(cluster: Cluster, limitMs: number): void {
  const send = cluster.sendCommand.bind(cluster)
  cluster.sendCommand = (command, ...rest) => {
    command.setTimeout(limitMs)
    const answer = send(command, ...rest)
    const retryOrReject = command.reject
    command.reject = (error) => {
      if (!command.isSettled) retryOrReject(error)
    }
    return answer
  }
}

/**
 * The subscriber in a Cluster: a plain connection to a random node, since a published message reaches all nodes. Each attempt
 * to connect chooses another one. (A Cluster client would do the same, but does not report when it has resubscribed.)
 *
 * @param known the current nodes; empty when they are unknown
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

export const listNodes = (cluster: Cluster): Node[] =>
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
  const { tls, ...options } = address
  return { ...options, ...(tls && { tls: {} }) }
}

/** The target without a password, for messages and logs. */
export function describeTarget(target: RealTarget): string {
  if (target.kind === 'cluster') return target.nodes.map((node) => `${node.host}:${node.port}`).join(',')
  if (target.kind === 'sentinel') return `Sentinel master "${target.name}"`
  const options = connectionOptions(target)
  return options.path ?? `${options.host}:${options.port}`
}

/**
 * Disables INFO for a user without permission for it: BullMQ would not start, and ioredis would warn on each connection. BullMQ
 * copies these options for its own connections.
 */
export async function skipForbiddenInfo(client: Redis | Cluster): Promise<void> {
  const options = client instanceof Cluster ? client.options.redisOptions : client.options
  try {
    await client.info('server')
  } catch (error) {
    if (!(error as Error).message.startsWith('NOPERM')) throw error
    Object.assign(options ?? {}, { enableReadyCheck: false, skipVersionCheck: true })
  }
}
