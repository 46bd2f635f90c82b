/**
 * A private Redis for development, used when the settings name none. The first process of a project folder starts it, the
 * others join it.
 */
import { hash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../runtime/log.ts'
import { StartupError } from '../runtime/startup-error.ts'
import { isRedisUp, READY_WITHIN_MS, startRedisServer } from './local-server.ts'
import { isAlive, tryLock, unlock } from './start-lock.ts'
import { describeTarget } from './topology.ts'

export interface EmbeddedRedis {
  target: { kind: 'single'; url: string }
  /**
   * Announces that this process will stop the server, if it owns it: a process that starts from now on waits for that
   * instead of joining.
   */
  announceStop(): void
  /** Stops the server if this process owns it; a joined one keeps running. */
  stop(): Promise<void>
}

interface Owner {
  ownerPid: number
  serverPid: number
  url: string
  /** The owner has announced that it will stop the server. */
  isStopping?: boolean
}

/** Joins the private Redis of this project folder, or starts it. Waits first while the owner of the present one stops. */
export async function startOrJoinEmbedded(log: Log): Promise<EmbeddedRedis> {
  const dir = privateFolder()
  const ownerFile = join(dir, 'owner.json')
  const lock = join(dir, 'starting.lock')
  await waitWhileStopping(ownerFile, log)
  // The holder of the lock may need READY_WITHIN_MS first.
  const deadline = Date.now() + 2 * READY_WITHIN_MS
  while (Date.now() < deadline) {
    const owner = await runningOwner(ownerFile)
    if (owner && isAlive(owner.ownerPid)) return joinRunning(owner, ownerFile, log)
    if (!tryLock(lock)) {
      await sleep(100)
      continue
    }
    try {
      // Another process may have started it between the check and the lock.
      const other = await runningOwner(ownerFile)
      if (other) return joinRunning(other, ownerFile, log)
      const server = await startRedisServer({ dir, log })
      const own: Owner = { ownerPid: process.pid, serverPid: server.pid, url: server.url }
      writeOwner(ownerFile, own)
      return {
        target: { kind: 'single', url: server.url },
        announceStop: () => writeOwner(ownerFile, { ...own, isStopping: true }),
        async stop() {
          rmSync(ownerFile, { force: true })
          await server.stop()
        },
      }
    } finally {
      unlock(lock)
    }
  }
  throw new StartupError(
    `No private Redis came up within ${(2 * READY_WITHIN_MS) / 1000} s; remove ${dir} and try again.`,
  )
}

/** Joins a running server for read-only use: it is neither started nor stopped, even if its owner has died. */
export async function joinRunningEmbedded(): Promise<EmbeddedRedis> {
  const owner = await runningOwner(join(privateFolder(), 'owner.json'))
  if (!owner)
    throw new StartupError(
      'No Redis is configured and no private one is running: start Halfway first, or set REDIS_URL.',
    )
  return { target: { kind: 'single', url: owner.url }, announceStop() {}, stop: async () => {} }
}

/** Takes over the ownership if the owner died without stopping the server; the caller holds the lock in that case. */
function joinRunning(owner: Owner, ownerFile: string, log: Log): EmbeddedRedis {
  const orphaned = !isAlive(owner.ownerPid)
  const own: Owner = { ...owner, ownerPid: process.pid, isStopping: false }
  if (orphaned) writeOwner(ownerFile, own)
  log.info(
    { redis: describeTarget({ kind: 'single', url: owner.url }) },
    orphaned
      ? 'taking over the private Redis of a process that was killed'
      : 'using the private Redis that is already running',
  )
  return {
    target: { kind: 'single', url: owner.url },
    announceStop() {
      if (orphaned) writeOwner(ownerFile, { ...own, isStopping: true })
    },
    async stop() {
      if (!orphaned) return
      rmSync(ownerFile, { force: true })
      if (isAlive(owner.serverPid)) process.kill(owner.serverPid, 'SIGTERM')
    },
  }
}

async function waitWhileStopping(ownerFile: string, log: Log): Promise<void> {
  const isStopping = (): boolean => {
    const owner = readOwner(ownerFile)
    return owner?.isStopping === true && isAlive(owner.ownerPid)
  }
  if (!isStopping()) return
  log.info('waiting for another Halfway of this folder that is stopping')
  while (isStopping()) await sleep(100)
}

/** A folder that only this user can access: other users must neither read the data nor place a socket there. */
function privateFolder(): string {
  const project = hash('sha256', process.cwd(), 'hex').slice(0, 10)
  const dir = join(tmpdir(), `halfway-${process.getuid?.() ?? 'user'}-${project}`)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const { uid } = lstatSync(dir)
  if (process.getuid && (uid !== process.getuid() || lstatSync(dir).isSymbolicLink())) {
    throw new StartupError(`${dir} belongs to another user; remove it or set REDIS_URL.`)
  }
  chmodSync(dir, 0o700)
  return dir
}

/** The owner of the server, if that answers. */
async function runningOwner(ownerFile: string): Promise<Owner | null> {
  const owner = readOwner(ownerFile)
  return owner && (await isRedisUp(owner.url)) ? owner : null
}

function readOwner(file: string): Owner | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Owner
  } catch {
    return null
  }
}

/** Readers see the whole file, the previous one or none. */
function writeOwner(file: string, owner: Owner): void {
  const next = `${file}.${process.pid}`
  writeFileSync(next, JSON.stringify(owner), { mode: 0o600 })
  renameSync(next, file)
}
