/**
 * A Redis server of one's own, as a child process: an installed redis-server or valkey-server on a unix socket without
 * persistence, else js-redis-server (JavaScript, a dev dependency) on a free port of the loopback address, with a password.
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
  /** With the password of a JavaScript one: not for logs. */
  url: string
  pid: number
  process: ChildProcess
  stop(): Promise<void>
}

/**
 * Starts a server of one's own in `dir`.
 *
 * @param engine `any` takes an installed one if there is one; `js` always the JavaScript one
 * @param port of the loopback address, where an installed one is to listen instead of on a unix socket
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
      // There is nothing in it that would have to be saved.
      const patience = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
      return ended.finally(() => clearTimeout(patience))
    },
  }
}

export function installedServer(): string | null {
  for (const name of ['redis-server', 'valkey-server']) {
    if (spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name
  }
  return null
}

/** In a process group of its own: Ctrl-C in a terminal must reach Redis last, when everybody has finished with it. */
function spawnInstalled(command: string, dir: string, port?: number): { url: string; child: ChildProcess } {
  const socket = join(dir, 'redis.sock')
  const where =
    port === undefined
      ? ['--port', '0', '--unixsocket', socket, '--unixsocketperm', '700']
      : ['--port', String(port), '--bind', '127.0.0.1']
  const args = [...where, '--dir', dir]
  const memoryOnly = [
    '--save',
    '',
    '--appendonly',
    'no',
    '--maxmemory-policy',
    'noeviction',
    // It would keep the arguments of slow commands, and one of ours hands over a code.
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
    createRequire(import.meta.url).resolve('js-redis-server')
  } catch (cause) {
    throw new StartupError(
      'No Redis is configured or installed, and the one for development (js-redis-server) is missing: install redis-server or set REDIS_URL.',
      { cause },
    )
  }
  log?.warn(
    '=== No Redis is configured or installed: using one written in JavaScript. FOR TRYING OUT ONLY; all data is gone on stop. ===',
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

/** Below the ports that systems give to outgoing connections (32768 on Linux): one of those may be taken a moment later. */
const FREE_PORTS = { from: 20_000, to: 32_000 }
const MAX_PORT_TRIES = 100

/** A port of the loopback address that nobody uses just now. */
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

/** Whether a Redis answers there now. */
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
