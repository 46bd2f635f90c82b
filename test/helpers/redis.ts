/**
 * A private Redis for one test file: the installed server, or the JavaScript one where there is none or with
 * HALFWAY_TEST_REDIS=js in the environment. Cleaned up after the file, and after Ctrl-C.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

/** Await it at the top of a test file. */
export async function useRedis({
  engine = onRealRedis ? 'any' : 'js',
}: {
  engine?: 'any' | 'js'
} = {}): Promise<TestRedis> {
  const dir = useFolder()
  let server = await startRedisServer({ dir, engine })
  // When the process ends before the tests, afterAll does not run: kill the server then.
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
      if (again.url !== server.url) throw new Error('only an installed Redis restarts at the same address')
      server = again
    },
  }
}
