/**
 * A private Redis for one test file: the installed server, or the JavaScript one where there is none or with
 * HALFWAY_TEST_REDIS=js in the environment. Cleaned up after the file, and after Ctrl-C. The JavaScript servers of
 * the files of one process are in one process (js-redis.mjs).
 */
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { on } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { openRedis, type RedisConnections } from '../../core/redis/connect.ts'
import { installedServer, type RedisServer, startRedisServer } from '../../core/redis/local-server.ts'
import { createLog } from '../../core/runtime/log.ts'
import type { RedisTarget } from '../../core/runtime/redis-target.ts'
import { cleanUp } from './clean-up.ts'

export interface TestRedis {
  readonly url: string
  readonly target: RedisTarget
  readonly connections: RedisConnections
  /** Stops the server, which breaks every connection to it. */
  stop(): Promise<void>
  /** Starts it again, empty, at the same address. Works with an installed server only. */
  restart(): Promise<void>
}

/** A silent log. */
export const quiet = createLog('test', 'silent')

/** Whether the tests run on a real Redis; the JavaScript one has no CLIENT KILL and no statistics, and cannot restart. */
export const onRealRedis = process.env.HALFWAY_TEST_REDIS !== 'js' && installedServer() !== null

/** A temporary folder, deleted after the file's tests. */
export function useFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'halfway-test-'))
  cleanUp(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

let host: ChildProcess | undefined
let asked = 0

/** Has the process of the JavaScript servers, which it starts before the first, start or stop one. */
async function askHost(what: { password: string } | { stop: number }): Promise<number> {
  host ??= fork(new URL('./js-redis.mjs', import.meta.url), { execArgv: [], stdio: 'inherit' })
  const id = ++asked
  host.send({ id, ...what })
  for await (const [answer] of on(host, 'message', { close: ['exit'] }))
    if (answer.id === id) return answer.port
  throw new Error('the process of the JavaScript servers has ended')
}

async function startJavaScript(): Promise<Pick<RedisServer, 'url' | 'stop'>> {
  const password = randomBytes(24).toString('base64url')
  const port = await askHost({ password })
  let stopped: Promise<unknown> | null = null
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    async stop() {
      stopped ??= askHost({ stop: port })
      await stopped
    },
  }
}

/** Await it at the top of a test file. */
export async function useRedis({
  engine = onRealRedis ? 'any' : 'js',
}: {
  engine?: 'any' | 'js'
} = {}): Promise<TestRedis> {
  const dir = useFolder()
  const start = () => (engine === 'js' ? startJavaScript() : startRedisServer({ dir, engine }))
  let server = await start()
  // When the process ends before the tests, afterAll does not run: stop the server then.
  cleanUp(() => server.stop())
  const target: RedisTarget = { kind: 'single', url: server.url }
  const connections = await openRedis(target, quiet)
  cleanUp(() => connections.stop())
  return {
    url: server.url,
    target,
    connections,
    stop: () => server.stop(),
    async restart() {
      const again = await start()
      if (again.url !== server.url) throw new Error('only an installed Redis restarts at the same address')
      server = again
    },
  }
}

/** Calls `onCommand` with each command that the Redis at `url` gets, as one line, until the file's tests have ended. */
export async function monitorRedis(url: string, onCommand: (command: string) => void): Promise<void> {
  // `monitor()` connects a client of its own.
  const monitor = await new Redis(url, { lazyConnect: true }).monitor()
  monitor.on('error', () => {})
  monitor.on('monitor', (_time: string, args: string[]) => onCommand(args.join(' ')))
  cleanUp(() => monitor.disconnect())
}
