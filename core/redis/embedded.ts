/**
 * A private Redis for trying out and for tests, when the settings name none: an installed redis-server or
 * valkey-server on a unix socket without persistence, else js-redis-server (JavaScript, a dev dependency) as a child
 * process. Processes of the same project started apart find each other's: the first one starts it, the others join.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { StartError } from '../errors.ts'
import type { Log } from '../log.ts'

export interface EmbeddedRedis {
  target: { kind: 'single'; url: string }
  /** Stops the server when it is ours to stop; a joined one stays. */
  stop(): Promise<void>
}

interface Owner {
  ownerPid: number
  serverPid: number
  url: string
}

const READY_WITHIN_MS = 10_000

/** Joins the private Redis of this project folder, or starts it. */
export async function joinEmbedded(log: Log): Promise<EmbeddedRedis> {
  const dir = privateFolder()
  const ownerFile = join(dir, 'owner.json')
  const lock = join(dir, 'starting')
  const deadline = Date.now() + READY_WITHIN_MS
  while (Date.now() < deadline) {
    const owner = readOwner(ownerFile)
    if (owner && (await answers(owner.url))) return joinRunning(owner, ownerFile, log)
    if (!takeLock(lock)) {
      await sleep(100)
      continue
    }
    try {
      const server = await startRedisServer({ dir, log })
      writeOwner(ownerFile, { ownerPid: process.pid, serverPid: server.pid, url: server.url })
      return {
        target: { kind: 'single', url: server.url },
        async stop() {
          rmSync(ownerFile, { force: true })
          await server.stop()
        },
      }
    } finally {
      rmdirSync(lock)
    }
  }
  throw new StartError(`No private Redis came up within ${READY_WITHIN_MS / 1000} s; remove ${dir} and try again.`)
}

/** An owner that died without stopping its server leaves it to the next one who joins. */
function joinRunning(owner: Owner, ownerFile: string, log: Log): EmbeddedRedis {
  const orphaned = !isAlive(owner.ownerPid)
  if (orphaned) writeOwner(ownerFile, { ...owner, ownerPid: process.pid })
  log.info({ redis: owner.url }, 'using the private Redis that is already running')
  return {
    target: { kind: 'single', url: owner.url },
    async stop() {
      if (!orphaned) return
      rmSync(ownerFile, { force: true })
      if (isAlive(owner.serverPid)) process.kill(owner.serverPid, 'SIGTERM')
    },
  }
}

export interface RedisServer {
  url: string
  pid: number
  process: ChildProcess
  stop(): Promise<void>
}

/**
 * Starts a server of one's own in `dir`.
 *
 * @param engine `any` takes an installed one if there is one; `js` always the JavaScript one
 */
export async function startRedisServer({
  dir,
  log,
  engine = 'any',
}: {
  dir: string
  log?: Log
  engine?: 'any' | 'js'
}): Promise<RedisServer> {
  const installed = engine === 'any' && process.platform !== 'win32' ? installedServer() : null
  const { url, child } = installed ? spawnInstalled(installed, dir) : await spawnJavaScript(log)
  let output = ''
  child.stdout?.on('data', (data) => (output = (output + data).slice(-2000)))
  child.stderr?.on('data', (data) => (output = (output + data).slice(-2000)))
  const deadline = Date.now() + READY_WITHIN_MS
  while (!(await answers(url))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new StartError(`The private Redis (${installed ?? 'js-redis-server'}) did not start: ${output.trim() || 'no answer'}`)
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
      return ended
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
function spawnInstalled(command: string, dir: string): { url: string; child: ChildProcess } {
  const socket = join(dir, 'redis.sock')
  const args = ['--port', '0', '--unixsocket', socket, '--unixsocketperm', '700', '--dir', dir]
  const memoryOnly = ['--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction', '--daemonize', 'no']
  const child = spawn(command, [...args, ...memoryOnly], { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  return { url: `unix://${socket}`, child }
}

async function spawnJavaScript(log?: Log): Promise<{ url: string; child: ChildProcess }> {
  let cli: string
  try {
    cli = join(dirname(createRequire(import.meta.url).resolve('js-redis-server')), 'cli.js')
  } catch (cause) {
    throw new StartError('No Redis is configured, none is installed, and js-redis-server is missing: set REDIS_URL.', { cause })
  }
  log?.warn('=== No Redis is configured or installed: using one written in JavaScript. FOR TRYING OUT ONLY; all data is gone on stop. ===')
  const port = await freePort()
  const child = spawn(process.execPath, [cli, '--port', String(port)], { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  return { url: `redis://127.0.0.1:${port}`, child }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

async function answers(url: string): Promise<boolean> {
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

/** A folder that only this user can enter: others on the machine must neither read the data nor plant a socket. */
function privateFolder(): string {
  const project = createHash('sha256').update(process.cwd()).digest('hex').slice(0, 10)
  const dir = join(tmpdir(), `halfway-${process.getuid?.() ?? 'user'}-${project}`)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const { uid } = lstatSync(dir)
  if (process.getuid && (uid !== process.getuid() || lstatSync(dir).isSymbolicLink())) {
    throw new StartError(`${dir} belongs to somebody else; remove it or set REDIS_URL.`)
  }
  chmodSync(dir, 0o700)
  return dir
}

function takeLock(lock: string): boolean {
  try {
    mkdirSync(lock)
    return true
  } catch {
    // Left behind by one who was killed while starting.
    if (existsSync(lock) && Date.now() - lstatSync(lock).mtimeMs > READY_WITHIN_MS) rmSync(lock, { recursive: true, force: true })
    return false
  }
}

function readOwner(file: string): Owner | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Owner
  } catch {
    return null
  }
}

const writeOwner = (file: string, owner: Owner): void => writeFileSync(file, JSON.stringify(owner), { mode: 0o600 })

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
