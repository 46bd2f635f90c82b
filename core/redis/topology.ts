/**
 * Creates the client for each topology: a single server (TCP, TLS or unix socket), a master behind Sentinels, a Cluster. A client
 * stays usable through failovers.
 */
import { isIP } from 'node:net'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { parseRedisAddress } from '../runtime/redis-address.ts'
import type { HostPort, RedisTarget } from '../runtime/redis-target.ts'

export type RealTarget = Exclude<RedisTarget, { kind: 'embedded' }>
type ClusterTarget = Extract<RedisTarget, { kind: 'cluster' }>

/** Whether its servers speak TLS. */
export function hasTls(target: RealTarget): boolean {
  if (!('url' in target)) return 'tls' in target && target.tls === true
  const address = parseRedisAddress(target.url)
  return 'tls' in address && address.tls
}

/** Delay before a Cluster command is retried. */
const RETRY_DELAY_MS = 100
const SENTINEL_ANSWERS_WITHIN_MS = 1000

export function createClient(target: Exclude<RealTarget, ClusterTarget>, options: RedisOptions): Redis {
  const client = new Redis({ ...options, ...connectionOptions(target, options.tls) })
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
      // After all that this callback's promises send as well.
      queueMicrotask(() => process.nextTick(() => stream.uncork()))
    }
    return send(command, pipeline)
  }
}

export function createCluster({ nodes, username, password }: ClusterTarget, options: RedisOptions): Cluster {
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
    redisOptions: { ...node, username, password },
    // A certificate names the host, not the address that it resolves to.
    ...(node.tls && { dnsLookup: (host, done) => done(null, host) }),
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
  { nodes, username, password }: ClusterTarget,
  options: RedisOptions,
  known: () => HostPort[],
): Redis {
  const next = (): HostPort => {
    const candidates = known()
    const from = candidates.length > 0 ? candidates : nodes
    const { host, port } = from[Math.floor(Math.random() * from.length)] as HostPort
    return { host, port }
  }
  const subscriber: Redis = new Redis({
    ...options,
    ...next(),
    username,
    password,
    retryStrategy(times) {
      Object.assign(subscriber.options, next())
      return options.retryStrategy?.(times)
    },
  })
  return subscriber
}

/** A subscriber of the sharded channels of one master, which is connected to no other node. */
export function createShard(
  { username, password }: ClusterTarget,
  options: RedisOptions,
  address: string,
): Redis {
  const colon = address.lastIndexOf(':')
  const [host, port] = [address.slice(0, colon), Number(address.slice(colon + 1))]
  const shard = new Redis({ ...options, host, port, username, password })
  corkWrites(shard)
  // Failures are retried, and logged as they happen.
  shard.connect().catch(() => {})
  return shard
}

export const listNodes = (cluster: Cluster): HostPort[] =>
  cluster.nodes('all').map(({ options }) => ({ host: options.host as string, port: options.port as number }))

function connectionOptions(
  target: Exclude<RealTarget, ClusterTarget>,
  tls?: RedisOptions['tls'],
): RedisOptions {
  if (target.kind === 'sentinel') {
    const { kind: _kind, tls: _tls, ...options } = target
    return {
      ...options,
      sentinelCommandTimeout: SENTINEL_ANSWERS_WITHIN_MS,
      ...(tls && { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    }
  }
  if (!('url' in target)) {
    const { kind: _kind, ...options } = target
    return options
  }
  const address = parseRedisAddress(target.url)
  if ('path' in address) return address
  const { tls: _tls, ...options } = address
  // Some hosts tell their servers apart by this name.
  return { ...options, ...(tls && isIP(address.host) === 0 && { tls: { ...tls, servername: address.host } }) }
}

/**
 * Why the first Sentinel or node of a Cluster accepts no connection: ioredis only reports that none of them does.
 *
 * @returns undefined when it accepts one
 */
export async function findServerFault(target: RealTarget, options: RedisOptions): Promise<Error | undefined> {
  if (target.kind === 'single') return undefined
  const [server] = target.kind === 'sentinel' ? target.sentinels : target.nodes
  const [username, password] =
    target.kind === 'sentinel'
      ? [target.sentinelUsername, target.sentinelPassword]
      : [target.username, target.password]
  const client = new Redis({
    ...server,
    username,
    password,
    tls: options.tls,
    connectTimeout: options.connectTimeout,
    disableClientInfo: true,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: null,
  })
  let fault: Error | undefined
  client.on('error', (error: Error) => {
    fault = error
  })
  await client.connect().catch((error: Error) => {
    fault ??= error
  })
  client.disconnect()
  return fault
}

/** The user that Redis knows these connections by. */
export function userOf(target: RealTarget): string {
  const { username } = 'url' in target ? parseRedisAddress(target.url) : target
  return username ?? 'default'
}

/** The target without a password, for messages and logs. */
export function describeTarget(target: RealTarget): string {
  if (target.kind === 'cluster') return target.nodes.map((node) => `${node.host}:${node.port}`).join(',')
  if (target.kind === 'sentinel') return `Sentinel master "${target.name}"`
  const options = connectionOptions(target)
  return options.path ?? `${options.host}:${options.port}`
}

/** Whether Redis refuses INFO, or has no such command, as some managed services. */
export const isInfoRefused = ({ message }: Error): boolean =>
  /^NOPERM.*\binfo\b|unknown command.*\binfo\b/i.test(message)

/**
 * Options for a Redis that refuses INFO: the ready check of ioredis and the version check of BullMQ, which copies these options for
 * its own connections, would fail.
 */
export const WITHOUT_INFO = { enableReadyCheck: false, skipVersionCheck: true }

/** @returns whether Redis answers INFO */
export async function tryInfo(client: Redis | Cluster): Promise<boolean> {
  try {
    await client.info('server')
    return true
  } catch (error) {
    if (!isInfoRefused(error as Error)) throw error
    const options = client instanceof Cluster ? client.options.redisOptions : client.options
    Object.assign(options ?? {}, WITHOUT_INFO)
    return false
  }
}
