/** A connection to NATS, which restores itself. Its client is an optional package, loaded only here and only where it is used. */
import { readFileSync } from 'node:fs'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Log } from '../runtime/log.ts'
import type { NatsConfig } from '../runtime/nats-settings.ts'
import { StartupError } from '../runtime/startup-error.ts'

export interface NatsSubscription {
  /** Whether NATS has refused it. */
  isClosed(): boolean
  unsubscribe(): void
}

export interface NatsLink {
  readonly kind: 'nats'
  readonly isConnected: boolean
  /** @throws when it is larger than the server allows */
  publish(subject: string, text: string | Uint8Array): void
  subscribe(subject: string, onMessage: (text: string) => void): NatsSubscription
  /** Resolves once the server has processed all that was sent before, in any direction. Rejects when the connection is lost. */
  flush(): Promise<void>
  /** Calls back whenever a lost connection is back, with its subscriptions sent but not confirmed. */
  onBack(listener: () => void): void
  stop(): Promise<void>
}

/** The newest version that runs on Node 20. `--save-prod`: in Halfway's own package.json it is among the packages of development. */
const INSTALL = 'npm install --save-prod @nats-io/transport-node@3.3'
const TIMEOUT_MS = 3000
const RECONNECT_MS = 250
/** A connection that is dead but not closed is replaced after the second ping without an answer. */
const PING_INTERVAL_MS = 1500
/** NATS may refuse every message: one line in this time says so. */
const LOG_INTERVAL_MS = 60_000

/**
 * Connects to one of the servers, and to another one when that is lost.
 *
 * @param name shown by NATS in its lists of connections
 * @param waits until one of them answers
 * @throws StartupError when the package is missing, none of them answers, or they are a cluster
 */
export async function openNats(
  config: NatsConfig,
  { name, log, waits = false }: { name: string; log: Log; waits?: boolean },
): Promise<NatsLink> {
  const address = config.servers.join(',')
  const connection = await connect(config, name, waits)
  if (connection.info?.cluster) {
    await connection.close()
    throw new StartupError(
      `NATS at ${address} is a cluster, whose servers may lose messages between each other unnoticed: name servers that run alone.`,
    )
  }
  let isConnected = true
  let refusedAt = Number.NEGATIVE_INFINITY
  const listeners: (() => void)[] = []
  const follow = async (): Promise<void> => {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') {
        isConnected = false
        log.warn({ nats: address }, 'NATS is away')
      }
      if (status.type === 'reconnect') {
        isConnected = true
        log.info({ nats: address }, 'NATS is back')
        for (const listener of listeners) listener()
      }
      if (status.type === 'error' && performance.now() - refusedAt > LOG_INTERVAL_MS) {
        refusedAt = performance.now()
        log.error({ reason: status.error.message }, 'NATS refuses something')
      }
    }
  }
  void follow()

  return {
    kind: 'nats',
    get isConnected() {
      return isConnected
    },
    publish: (subject, text) => connection.publish(subject, text),
    subscribe: (subject, onMessage) =>
      connection.subscribe(subject, {
        callback: (error, message) => void (error ?? onMessage(message.string())),
      }),
    async flush() {
      try {
        await connection.flush()
      } catch (error) {
        // The event that says so comes later.
        isConnected = false
        throw error
      }
    },
    onBack: (listener) => void listeners.push(listener),
    stop: () => connection.close(),
  }
}

async function connect(
  { servers, tls, user, pass, token, credsFile }: NatsConfig,
  name: string,
  waits: boolean,
): Promise<NatsConnection> {
  const loaded = await import('@nats-io/transport-node').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new StartupError(`NATS_URL is set, but the client of NATS is missing. ${INSTALL}`)
  })
  // It is CommonJS: bundled it is the default export, by tsx it has none.
  const nats = loaded.default ?? loaded
  try {
    const creds = credsFile && nats.credsAuthenticator(readFileSync(credsFile))
    const options = {
      ...{
        name: `halfway-${name}`,
        servers: [...servers],
        timeout: TIMEOUT_MS,
        pingInterval: PING_INTERVAL_MS,
      },
      ...{ reconnectTimeWait: RECONNECT_MS, reconnectJitter: RECONNECT_MS, maxReconnectAttempts: -1 },
      ...(tls && { tls: {} }),
      ...(creds ? { authenticator: creds } : { user, pass, token }),
      // A server that starts again may know no user for a moment.
      ignoreAuthErrorAbort: true,
    }
    // A connection that does not wait would never try those again that do not answer now.
    if (!waits) await (await nats.connect(options)).close()
    return await nats.connect({ ...options, waitOnFirstConnect: true })
  } catch (cause) {
    const reason = (cause as Error).message
    throw new StartupError(
      `NATS at ${servers.join(',')} cannot be used (${reason}); start it, or correct NATS_URL and NATS_CREDS.`,
      { cause },
    )
  }
}
