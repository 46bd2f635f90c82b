/** A Redis of one's own for a section of the benchmark, on a port of its own, that keeps nothing. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRedis, type RedisClient } from '../../core/redis/connect.ts'
import { freePort, installedServer, startRedisServer } from '../../core/redis/local-server.ts'
import { createLog } from '../../core/runtime/log.ts'
import { StartupError } from '../../core/runtime/startup-error.ts'

export interface BenchRedis {
  readonly url: string
  readonly process: ChildProcess
  /** For filling and emptying it: not for anything that is measured. */
  readonly client: RedisClient
  /** Microseconds of CPU that it has used so far. */
  cpu(): Promise<number>
  /** Bytes in use, without what is only allocated. */
  memory(): Promise<number>
  stop(): Promise<void>
}

export async function startRedis(): Promise<BenchRedis> {
  if (!installedServer())
    throw new StartupError('The benchmark needs redis-server or valkey-server: install one.')
  const dir = mkdtempSync(join(tmpdir(), 'halfway-bench-'))
  const server = await startRedisServer({ dir, port: await freePort() })
  // It is in a process group of its own: a bench that fails, or is told to stop, must not leave it behind.
  const leave = (): void => {
    server.process.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
  process.once('exit', leave)
  const connections = await openRedis({ kind: 'single', url: server.url }, createLog('bench', 'warn'))
  const client = await connections.connect('patient')
  const info = async (section: string, name: string): Promise<number> =>
    Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(await client.info(section))?.[1])
  return {
    url: server.url,
    process: server.process,
    client,
    cpu: async () => ((await info('cpu', 'used_cpu_user')) + (await info('cpu', 'used_cpu_sys'))) * 1_000_000,
    memory: () => info('memory', 'used_memory'),
    async stop() {
      await connections.stop()
      await server.stop()
      process.off('exit', leave)
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
