/**
 * A private Redis for one test file: an installed server when there is one, else the JavaScript one; the environment
 * variable HALFWAY_TEST_REDIS=js takes that in any case. Nothing is left behind, not after Ctrl-C either.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRedis, type RedisConnections } from '../../core/redis/connect.ts'
import { installedServer, type RedisServer, startRedisServer } from '../../core/redis/local-server.ts'
import type { RedisTarget } from '../../core/runtime/config.ts'
import { createLog } from '../../core/runtime/log.ts'
import { cleanUp } from './clean-up.ts'

export interface TestRedis {
  readonly url: string
  readonly target: RedisTarget
  readonly connections: RedisConnections
  /** Stops the server, as if somebody had; every connection to it breaks. */
  stop(): Promise<void>
  /** Starts it again, empty, at the same address. Only an installed server can. */
  restart(): Promise<void>
}

/** A log that says nothing. */
export const quiet = createLog('test', 'silent')

/** Whether the tests run on a real Redis; the JavaScript one has no CLIENT KILL, no statistics, no second life. */
export const onRealRedis = process.env.HALFWAY_TEST_REDIS !== 'js' && installedServer() !== null

/** A folder of one's own, gone with the file's last test. */
export function useFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'halfway-test-'))
  cleanUp(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** To be awaited at the top of a test file. */
export async function useRedis({
  engine = onRealRedis ? 'any' : 'js',
}: {
  engine?: 'any' | 'js'
} = {}): Promise<TestRedis> {
  const dir = useFolder()
  let server = await startRedisServer({ dir, engine })
  // Tests that never ran have no afterAll either: the process' own end takes the server with it.
  cleanUp(() => void server.process.kill('SIGKILL'))
  const target: RedisTarget = { kind: 'single', url: server.url }
  const connections = await openRedis(target, quiet)
  cleanUp(async () => {
    await connections.stop()
    await server.stop()
  })
  return {
    url: server.url,
    target,
    connections,
    stop: () => server.stop(),
    async restart() {
      const again: RedisServer = await startRedisServer({ dir, engine })
      if (again.url !== server.url) throw new Error('only an installed Redis comes back at the same address')
      server = again
    },
  }
}
