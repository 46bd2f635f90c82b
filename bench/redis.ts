/** A Redis server for one section of the benchmark, on a free port, without persistence. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openRedis, type RedisClient } from '../core/redis/connect.ts'
import { freePort, installedServer, startRedisServer } from '../core/redis/local-server.ts'
import { createLog } from '../core/runtime/log.ts'
import { StartupError } from '../core/runtime/startup-error.ts'
import { pin } from './processes.ts'

export interface BenchRedis {
  url: string
  /** For preparing data; nothing that goes through it is measured. */
  client: RedisClient
  stop(): Promise<void>
}

const FREED_AFTER_MS = 200

/** Of Redis, in bytes. */
export async function usedMemory(client: BenchRedis['client']): Promise<number> {
  await sleep(FREED_AFTER_MS)
  return Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1])
}

export async function startRedis(): Promise<BenchRedis> {
  if (!installedServer())
    throw new StartupError('The benchmark needs redis-server or valkey-server: install one.')
  const dir = mkdtempSync(join(tmpdir(), 'halfway-bench-'))
  const server = await startRedisServer({ dir, port: await freePort() })
  pin(server.pid, '1-255')
  // Redis runs in a process group of its own and would outlive a benchmark that fails.
  const kill = (): void => {
    server.process.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
  process.once('exit', kill)
  const connections = await openRedis({ kind: 'single', url: server.url }, createLog('bench', 'warn'))
  return {
    url: server.url,
    client: await connections.connect('patient'),
    async stop() {
      await connections.stop()
      await server.stop()
      process.off('exit', kill)
      kill()
    },
  }
}
