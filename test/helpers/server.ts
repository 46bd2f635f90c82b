/** The server as its process composes it, on a free port in this process, with the Redis of the test file. */
import { Agent } from 'node:http'
import type { AddressInfo } from 'node:net'
import supertest from 'supertest'
import type { Catalog } from '../../core/catalog/catalog.ts'
import type { Command } from '../../core/domain/command.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { openInstallationSecret } from '../../core/redis/installation-secret.ts'
import { loadConfig } from '../../core/runtime/config.ts'
import { createLog, type Log } from '../../core/runtime/log.ts'
import type { Metrics } from '../../core/runtime/metrics.ts'
import { listen } from '../../core/runtime/process.ts'
import type { Tracing } from '../../core/runtime/tracing.ts'
import { createAuditLog } from '../../core/store/audit-log.ts'
import {
  createControlStore,
  type LiveControls,
  openLiveControls,
} from '../../core/store/operator-controls.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { createServiceRegistry } from '../../core/store/service-registry.ts'
import { type ComposedServer, composeServer } from '../../server/compose.ts'
import type { HttpServerOptions } from '../../server/http-server.ts'
import { SESSION_COOKIE } from '../../server/sessions.ts'
import { cleanUp } from './clean-up.ts'
import { applyCommands, aRecord } from './record.ts'
import { quiet, type TestRedis, useFolder } from './redis.ts'
import { catalog } from './services.ts'

export interface TestServer extends ComposedServer {
  /** Without a slash at the end. */
  readonly address: string
  /** A client without cookies. */
  readonly api: ReturnType<typeof supertest>
  readonly controls: LiveControls
  /** The cookie of the browser session with this id, 21 characters. */
  sessionCookie(id: string): string
  /** How records name this session. */
  sessionIdOf(id: string): string
  /** Creates a request without a job, after these commands. Resolves with its hash. */
  given(commands?: readonly Command[], fields?: Parameters<typeof aRecord>[0]): Promise<string>
  /** Applies a command as a bot or worker does. */
  apply(hash: string, command: Command): Promise<void>
}

/** A client without cookies. It keeps its connections: to open one for each call took longer than the call. */
function createApi(address: string): ReturnType<typeof supertest> {
  const agent = new Agent({ keepAlive: true })
  const api = supertest(address)
  for (const method of ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const) {
    const open = api[method]
    api[method] = (path) => open(path).agent(agent)
  }
  return api
}

/** A valid submit, with its values normalized. */
export const CREDIT_SCORE = {
  service_slug: 'credit-score-rating',
  request_data: { mobile: '09123456789', national_code: '0012345679' },
} as const

/** A log that collects its lines, by default of every level. */
export function collectLog(level = 'trace'): { log: Log; lines: string[] } {
  const lines: string[] = []
  return { lines, log: createLog('test', level, { destination: { write: (line) => void lines.push(line) } }) }
}

/**
 * Await it at the top of a test file. Limits are very high unless `settings` sets them, and X-Forwarded-For sets the
 * client's address.
 *
 * @param settings environment variables
 * @param assets the folder with the pages' assets; by default an empty one
 */
export async function useServer(
  redis: TestRedis,
  {
    settings = {},
    log = quiet,
    assets = useFolder(),
    services = catalog,
    metrics,
    tracing,
    http,
  }: {
    http?: HttpServerOptions
    settings?: Record<string, string>
    log?: Log
    assets?: string
    services?: Catalog
    metrics?: Metrics
    tracing?: Tracing
  } = {},
): Promise<TestServer> {
  const config = loadConfig({
    REDIS_URL: redis.url,
    TRUST_PROXY: '1',
    SUBMITS_PER_MINUTE: '100000',
    MAX_UNFINISHED_PER_SUBMITTER: '1000000',
    MAX_UNFINISHED_PER_QUEUE: '1000000',
    MAX_UNFINISHED: '1000000',
    ACTIONS_PER_MINUTE: '100000',
    SOCKETS_PER_ADDRESS: '0',
    STREAMS_PER_ADDRESS: '0',
    STATUS_READS_PER_MINUTE: '0',
    SUBJECT_CODES_PER_HOUR: '100000',
    SUBJECT_WRONG_CODES_PER_HOUR: '100000',
    // A machine that is busy with other tests is no Redis that fails.
    REDIS_COMMAND_TIMEOUT_MS: '10000',
    ...settings,
  })
  const connections = await openRedis(config.redis, log, config.connections)
  const client = await connections.connect('fail-fast')
  const secret = await openInstallationSecret(client)
  const controls = await openLiveControls({ controls: createControlStore({ redis: client }), log })
  const server = composeServer({
    redis: client,
    secret,
    subscriber: await connections.connect('subscriber'),
    catalog: services,
    controls,
    registry: createServiceRegistry({ redis: client }),
    config,
    audit: createAuditLog({
      redis: client,
      log: log.child({ name: 'audit' }, { level: log.level === 'silent' ? 'silent' : 'info' }),
      process: 'server',
    }),
    assets,
    log,
    metrics,
    tracing,
    http,
  })
  await listen(server.http, { port: 0, host: '127.0.0.1', setting: 'PORT' })
  const address = `http://127.0.0.1:${(server.http.address() as AddressInfo).port}`

  // Patient, as the connections of bots and workers.
  const { create, apply } = createRequestStore({
    redis: await connections.connect('patient'),
    ttlSeconds: config.requestTtlSeconds,
    log,
  })

  let stopped: Promise<void> | null = null
  const stop = (): Promise<void> => {
    stopped ??= server.stop().then(() => {
      secret.stop()
      controls.stop()
      return connections.stop()
    })
    return stopped
  }
  cleanUp(stop)
  return {
    ...server,
    address,
    controls,
    api: createApi(address),
    sessionCookie(id) {
      const time = Date.now().toString(36)
      return `${SESSION_COOKIE}=${id}.${time}.${secret.digest('session cookie', `${id}.${time}`)}`
    },
    sessionIdOf: (id) => secret.digest('session id', id),
    async given(commands = [], fields = {}) {
      const record = applyCommands(aRecord(fields), commands)
      if (!(await create(record))) throw new Error('there is such a request already')
      return record.hash
    },
    async apply(hash, command) {
      const result = await apply(hash, command)
      if (!result.ok) throw new Error(`${command.type} was refused: ${result.rejection}`)
    },
    stop,
  }
}
