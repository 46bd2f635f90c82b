/**
 * Runs a private Redis server as a child process: an installed redis-server or valkey-server on a unix socket without
 * persistence, else js-redis-server (JavaScript, a dev dependency that the npm package contains) on a free port of the loopback address, with a password.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import type { Log } from '../runtime/log.ts'
import { StartupError } from '../runtime/startup-error.ts'

const JS_SERVER = fileURLToPath(new URL('./js-server.mjs', import.meta.url))
const STOP_WITHIN_MS = 500
export const READY_WITHIN_MS = 10_000

export interface RedisServer {
  /** Contains the password of js-redis-server: not for logs. */
  url: string
  pid: number
  process: ChildProcess
  stop(): Promise<void>
}

/**
 * Starts a server in `dir`.
 *
 * @param engine `any` prefers an installed server; `js` is always js-redis-server
 * @param port a port of the loopback address for an installed server, which listens on a unix socket otherwise
 */
export async function startRedisServer({
  dir,
  log,
  engine = 'any',
  port,
}: {
  dir: string
  log?: Log
  engine?: 'any' | 'js'
  port?: number
}): Promise<RedisServer> {
  const installed = engine === 'any' && process.platform !== 'win32' ? installedServer() : null
  const { url, child } = installed ? spawnInstalled(installed, dir, port) : await spawnJavaScript(log)
  let output = ''
  child.stdout?.on('data', (data) => (output = (output + data).slice(-2000)))
  child.stderr?.on('data', (data) => (output = (output + data).slice(-2000)))
  const deadline = Date.now() + READY_WITHIN_MS
  while (!(await isRedisUp(url))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new StartupError(
        `The private Redis (${installed ?? 'js-redis-server'}) did not start: ${output.trim() || 'no answer'}`,
      )
    }
    await sleep(30)
  }
  return {
    url,
    pid: child.pid as number,
    process: child,
    stop() {
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      child.kill('SIGTERM')
      // Its data is not persisted, so a kill loses nothing.
      const killTimer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
      return ended.finally(() => clearTimeout(killTimer))
    },
  }
}

export function installedServer(): string | null {
  for (const name of ['redis-server', 'valkey-server']) {
    if (spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name
  }
  return null
}

/** In a process group of its own: Ctrl-C in a terminal must not stop Redis before the processes that use it. */
function spawnInstalled(command: string, dir: string, port?: number): { url: string; child: ChildProcess } {
  const socket = join(dir, 'redis.sock')
  const listenArgs =
    port === undefined
      ? ['--port', '0', '--unixsocket', socket, '--unixsocketperm', '700']
      : ['--port', String(port), '--bind', '127.0.0.1']
  const args = [...listenArgs, '--dir', dir]
  const memoryOnly = [
    '--save',
    '',
    '--appendonly',
    'no',
    '--maxmemory-policy',
    'noeviction',
    // The slow log stores arguments of commands, which may contain a one-time code.
    '--slowlog-log-slower-than',
    '-1',
    '--daemonize',
    'no',
  ]
  const child = spawn(command, [...args, ...memoryOnly], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  return { url: port === undefined ? `unix://${socket}` : `redis://127.0.0.1:${port}`, child }
}

async function spawnJavaScript(log?: Log): Promise<{ url: string; child: ChildProcess }> {
  try {
    // The npm package contains it bundled, in JS_SERVER.
    if (import.meta.url.endsWith('.ts')) createRequire(import.meta.url).resolve('js-redis-server')
  } catch (cause) {
    throw new StartupError(
      'No Redis is configured or installed, and the one for development (js-redis-server) is missing: install redis-server or set REDIS_URL.',
      { cause },
    )
  }
  log?.warn(
    '=== No Redis is configured or installed: using one written in JavaScript. FOR DEVELOPMENT ONLY; all data is lost on stop. ===',
  )
  const child = spawn(process.execPath, [JS_SERVER], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  })
  const password = randomBytes(24).toString('base64url')
  child.send({ password })
  const port = await Promise.race([
    once(child, 'message').then(([message]) => (message as { port: number }).port),
    once(child, 'exit').then(([code]): never => {
      throw new StartupError(`The private Redis (js-redis-server) did not start: it ended with ${code}.`)
    }),
  ])
  return { url: `redis://:${password}@127.0.0.1:${port}`, child }
}

/** Below the ephemeral ports of outgoing connections (from 32768 on Linux), any of which may be taken a moment later. */
const FREE_PORTS = { from: 20_000, to: 32_000 }
const MAX_PORT_TRIES = 100

/** A port of the loopback address that is free now. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MAX_PORT_TRIES; tries++) {
    const port = randomInt(FREE_PORTS.from, FREE_PORTS.to)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port between ${FREE_PORTS.from} and ${FREE_PORTS.to}`)
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

/** Whether a Redis answers at the address. */
export async function isRedisUp(url: string): Promise<boolean> {
  const options = { lazyConnect: true, retryStrategy: null, connectTimeout: 1000, commandTimeout: 1000 }
  const client = url.startsWith('unix:') ? new Redis(new URL(url).pathname, options) : new Redis(url, options)
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.ping()) === 'PONG'
  } catch {
    return false
  } finally {
    client.disconnect()
  }
}
