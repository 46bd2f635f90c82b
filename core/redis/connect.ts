/**
 * Connections to the Redis that the settings name: single (TCP, TLS or unix socket), Sentinel or Cluster.
 *
 * A process opens up to three roles, which differ in their behaviour while Redis is away:
 *   fail-fast   commands of the server: they fail within a second and are never queued offline
 *   patient     commands of workers and bots: they wait for the connection
 *   subscriber  pub/sub; the channel subscriber resubscribes after a reconnect
 *
 * A connection that is dead but not closed (a network that drops packets, a frozen Redis) is detected and replaced: each one
 * sends a PING per second, and is closed after a time without any reply.
 */
import { Cluster, type Redis, type RedisOptions } from 'ioredis'
import { createDataBox, type DataBox } from '../runtime/data-box.ts'
import type { Log } from '../runtime/log.ts'
import type { RedisTarget } from '../runtime/redis-target.ts'
import { StartupError } from '../runtime/startup-error.ts'
import { type ConnectionSettings, optionsOf, type Role, retryDelay } from './connection-options.ts'
import { checkDataKey } from './data-key.ts'
import { joinRunningEmbedded, startOrJoinEmbedded } from './embedded.ts'
import { createKeys, type Keys } from './keys.ts'
import type { Scripts } from './lua-scripts.ts'
import { createOpenConnections } from './open-connections.ts'
import { describeConnectError, isVague } from './redis-error.ts'
import { findMissingRights } from './rights.ts'
import { missingIn, requireRights, watchRights } from './rights-watch.ts'
import { openTls } from './tls.ts'
import {
  createClient,
  createCluster,
  createClusterSubscriber,
  createShard,
  describeTarget,
  findServerFault,
  hasTls,
  isInfoRefused,
  listNodes,
  tryInfo,
  userOf,
  WITHOUT_INFO,
} from './topology.ts'

export type { ConnectionSettings, Role }

/** A connection with the key names of its installation, and what seals its data. */
export type RedisClient = (Redis | Cluster) &
  Scripts & {
    readonly names: Keys
    readonly box: DataBox
    /** What Redis refuses its user since a command was refused, as a sentence; null when nothing is. */
    refusal(): Promise<string | null>
  }

/** A connection for pub/sub. */
export type SubscriberClient = RedisClient & {
  /** In a Cluster with sharded channels: opens another one to the node at this address. It is closed with the others. */
  openShard?(address: string): Redis
}

export interface RedisConnections {
  /** The target without a password, for messages and logs. */
  readonly address: string
  /** Resolves once connected. @throws StartupError when Redis does not answer */
  connect(role: Role): Promise<SubscriberClient>
  /** Closes its connections in reverse order, then stops an embedded Redis that it started. */
  stop(): Promise<void>
}

export async function openRedis(
  target: RedisTarget,
  log: Log,
  settings: ConnectionSettings = {},
): Promise<RedisConnections> {
  const join = settings.joinOnly ? joinRunningEmbedded : startOrJoinEmbedded
  const embedded = target.kind === 'embedded' ? await join(log) : null
  const real = embedded?.target ?? (target as Exclude<RedisTarget, { kind: 'embedded' }>)
  const address = describeTarget(real)
  const tls = hasTls(real) ? openTls(settings.tls) : undefined
  const names = createKeys(settings, { isCluster: real.kind === 'cluster' })
  const box = createDataBox(settings.dataKeys ?? [])
  // Tasks may be on another Redis, where their user may read nothing else. A bridge opens nothing.
  let isKeyChecked = typeof settings.rights === 'object' || settings.rights === 'bridge'
  let hasInfo = true
  const user = userOf(real)
  const findMissing = async (): Promise<string[]> => {
    const commands = open.clients().find(({ status }) => status === 'ready')
    return settings.rights && commands ? findMissingRights(commands, names, settings.rights) : []
  }
  const watch = watchRights({ user, findMissing, log })
  const open = createOpenConnections(log, settings)

  function create(role: Role, options: RedisOptions): Redis | Cluster {
    if (real.kind !== 'cluster') return createClient(real, options)
    if (role !== 'subscriber') return createCluster(real, options)
    return createClusterSubscriber(real, options, () =>
      open.clients().flatMap((client) => (client instanceof Cluster ? listNodes(client) : [])),
    )
  }

  const connections: RedisConnections = {
    address,
    async connect(role) {
      let started = false
      const options = {
        ...optionsOf(role, settings, watch.notice),
        ...(tls && { tls }),
        ...(hasInfo ? {} : WITHOUT_INFO),
        connectionName: `${names.queues}:${role}`,
        sentinelRetryStrategy: (times: number) => (started ? retryDelay(times) : null),
      }
      const client = create(role, options)
      try {
        await start(client)
        hasInfo &&= await tryInfo(client)
        started = true
        if (!isKeyChecked && role !== 'subscriber') await checkDataKey(client, box, names.dataKey)
        isKeyChecked ||= role !== 'subscriber'
      } catch (cause) {
        client.disconnect()
        if (cause instanceof StartupError) throw cause
        if (hasInfo && isInfoRefused(cause as Error)) {
          hasInfo = false
          return connections.connect(role)
        }
        requireRights(user, missingIn(cause as Error))
        const fault = isVague(cause) ? await findServerFault(real, options) : undefined
        throw noAnswer(address, describeConnectError(cause, { tls, fault }), cause)
      }
      // For BullMQ's copies of it: a lazy one that could not connect the first time would never be used, though it reconnects.
      client.options.lazyConnect = false
      open.keep(client, role)
      if (open.clients().length === 1) requireRights(user, await findMissing())
      const shards = real.kind === 'cluster' && {
        openShard: (address: string) => open.keep(createShard(real, options, address), role),
      }
      return Object.assign(client, { names, box, refusal: watch.refusal, ...shards }) as SubscriberClient
    },
    async stop() {
      open.stop()
      await embedded?.stop()
    },
  }
  return connections
}

const noAnswer = (address: string, reason: string, cause: unknown): StartupError =>
  new StartupError(
    `Redis at ${address} does not answer (${reason}); start it or correct the REDIS_ settings.`,
    { cause },
  )

/** Resolves after the first reply; rejects with the error of an event, as `connect` only reports a closed connection. */
async function start(client: Redis | Cluster): Promise<void> {
  let reason: Error | undefined
  const recordError = (error: Error): void => {
    reason = error
  }
  const events = ['error', 'sentinelError', 'node error']
  for (const event of events) client.on(event, recordError)
  try {
    await client.connect()
    if ((await client.ping().catch(unlessItCannotSave)) !== 'PONG')
      throw new Error('Protocol error: no answer to PING')
    // ioredis would report a failed SELECT only by an event, and continue in database 0.
    if (!(client instanceof Cluster) && client.options.db) await client.select(client.options.db)
  } catch (error) {
    throw reason ?? error
  } finally {
    for (const event of events) client.off(event, recordError)
  }
}

/** A Redis that cannot save to its disk refuses PING as well as writes, but it is up and serves reads. */
function unlessItCannotSave(error: Error): 'PONG' {
  if (/^MISCONF/.test(error.message)) return 'PONG'
  throw error
}
