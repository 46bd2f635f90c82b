/** The open connections of a process: each is pinged, and what happens to it is logged. */
import { Cluster, type Redis } from 'ioredis'
import type { Log } from '../runtime/log.ts'
import { type ConnectionSettings, PING_INTERVAL_MS, type Role } from './connection-options.ts'
import { describeReason } from './redis-error.ts'

type Client = Redis | Cluster

export function createOpenConnections(log: Log, settings: Pick<ConnectionSettings, 'onPing'>) {
  const open = new Set<Client>()
  return {
    clients: (): Client[] => [...open],
    /** Until it is stopped, or ends by itself. */
    keep<One extends Client>(client: One, role: Role): One {
      logConnectionState(client, role, log)
      const onPing = role === 'subscriber' ? undefined : settings.onPing
      const heartbeat = setInterval(() => pingAll(client, onPing), PING_INTERVAL_MS).unref()
      open.add(client)
      client.once('end', () => {
        clearInterval(heartbeat)
        open.delete(client)
      })
      return client
    },
    /** In reverse order. */
    stop(): void {
      for (const client of [...open].reverse()) client.disconnect()
    },
  }
}

/** The reply itself is ignored: without one, `socketTimeout` closes the connection. */
function pingAll(client: Redis | Cluster, onPing: ConnectionSettings['onPing']): void {
  const connections = client instanceof Cluster ? client.nodes('all') : [client]
  for (const connection of connections) {
    if (connection.status !== 'ready') continue
    const sentAt = performance.now()
    connection.ping().then(
      () => onPing?.((performance.now() - sentAt) / 1000),
      () => {},
    )
  }
}

/** Logs one line when the connection is lost and one when it is restored, none per retry. */
function logConnectionState(client: Redis | Cluster, role: Role, log: Log): void {
  let away = false
  client.on('error', (error: Error) => {
    if (away) return
    away = true
    log.warn({ connection: role, reason: describeReason(error) }, 'Redis is away')
  })
  client.on('ready', () => {
    if (away) log.info({ connection: role }, 'Redis is back')
    away = false
  })
}
