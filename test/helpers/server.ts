/** The server as its process composes it, on a free port of this process, with a Redis of the test file. */
import type { AddressInfo } from 'node:net'
import supertest from 'supertest'
import type { Command } from '../../core/domain/command.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { openInstallationSecret } from '../../core/redis/installation-secret.ts'
import { loadConfig } from '../../core/runtime/config.ts'
import { createLog, type Log } from '../../core/runtime/log.ts'
import { listen } from '../../core/runtime/process.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { type ComposedServer, composeServer } from '../../server/compose.ts'
import { createSessionCookies, SESSION_COOKIE } from '../../server/sessions.ts'
import { cleanUp } from './clean-up.ts'
import { applyCommands, aRecord } from './record.ts'
import { quiet, type TestRedis, useFolder } from './redis.ts'

export interface TestServer extends ComposedServer {
  /** Without a slash at the end. */
  readonly address: string
  /** Calls of a program that keeps no cookies. */
  readonly api: ReturnType<typeof supertest>
  /** The cookie of the browser session with this id, 21 characters. */
  sessionCookie(sessionId: string): string
  /** A request that has gone through these changes, without a job. Returns its hash. */
  given(changes?: readonly Command[], fields?: Parameters<typeof aRecord>[0]): Promise<string>
  /** A change that a bot, a worker or somebody else makes. */
  apply(hash: string, change: Command): Promise<void>
}

/** What the tests submit, and what the service makes of it. */
export const CREDIT_SCORE = {
  service_slug: 'credit-score-rating',
  request_data: { mobile: '09123456789', national_code: '0012345679' },
} as const

/** A log that keeps what it hears, by default everything. */
export function collectLog(level = 'trace'): { log: Log; lines: string[] } {
  const lines: string[] = []
  return { lines, log: createLog('test', level, { write: (line) => void lines.push(line) }) }
}

/**
 * To be awaited at the top of a test file. Limits are out of the way unless `settings` sets them, and the address of a
 * caller can be chosen with X-Forwarded-For.
 *
 * @param settings environment, as the process would read it
 * @param assets the folder with what the browser loads; by default there is nothing in it
 */
export async function useServer(
  redis: TestRedis,
  {
    settings = {},
    log = quiet,
    assets = useFolder(),
  }: { settings?: Record<string, string>; log?: Log; assets?: string } = {},
): Promise<TestServer> {
  const config = loadConfig({
    REDIS_URL: redis.url,
    TRUST_PROXY: '1',
    SUBMITS_PER_MINUTE: '100000',
    MAX_UNFINISHED_PER_SUBMITTER: '1000000',
    MAX_UNFINISHED_PER_QUEUE: '1000000',
    MAX_UNFINISHED: '1000000',
    ACTIONS_PER_MINUTE: '100000',
    SUBJECT_CODES_PER_HOUR: '100000',
    SUBJECT_WRONG_CODES_PER_HOUR: '100000',
    ...settings,
  })
  const connections = await openRedis(config.redis, log)
  const client = await connections.connect('fail-fast')
  const secret = await openInstallationSecret(client)
  const sessions = createSessionCookies(secret)
  const server = composeServer({
    redis: client,
    secret,
    subscriber: await connections.connect('subscriber'),
    config,
    assets,
    log,
  })
  await listen(server.http, { port: 0, host: '127.0.0.1', setting: 'PORT' })
  const address = `http://127.0.0.1:${(server.http.address() as AddressInfo).port}`

  // Whoever else writes waits for Redis, as bots and workers do.
  const { create, apply } = createRequestStore({
    redis: await connections.connect('patient'),
    ttlSeconds: config.requestTtlSeconds,
    log,
  })

  let stopped: Promise<void> | null = null
  const stop = (): Promise<void> => {
    stopped ??= server.stop().then(() => {
      secret.stop()
      return connections.stop()
    })
    return stopped
  }
  cleanUp(stop)
  return {
    ...server,
    address,
    api: supertest(address),
    sessionCookie: (sessionId) => `${SESSION_COOKIE}=${sessions.sign(sessionId)}`,
    async given(changes = [], fields = {}) {
      const record = applyCommands(aRecord(fields), changes)
      if (!(await create(record))) throw new Error('there is such a request already')
      return record.hash
    },
    async apply(hash, change) {
      const outcome = await apply(hash, change)
      if (!outcome.ok) throw new Error(`${change.type} was refused: ${outcome.refusal}`)
    },
    stop,
  }
}
