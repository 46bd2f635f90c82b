/** Three Sentinels, a master and its replica; the master is killed. */
import { describe, expect, it } from 'vitest'
import { openRedis } from '../../core/redis/connect.ts'
import { loadConfig } from '../../core/runtime/config.ts'
import { onRealRedis, quiet } from '../helpers/redis.ts'
import { startSentinel } from '../helpers/redis-servers.ts'
import { useRedisUsers } from '../helpers/redis-users.ts'

describe.runIf(onRealRedis)('with Sentinels', { concurrent: true }, () => {
  it('connections recover after Sentinel replaced a killed master', async (ctx) => {
    const topology = await startSentinel()
    const users = await useRedisUsers(ctx, topology.settings)
    await users.verify()
    const master = await topology.master()
    await master.end('SIGKILL')
    await Promise.all([users.failFast(), users.verifyRecovery(), users.verifyResubscribed()])
    expect(await topology.master()).not.toBe(master)
    // The former master returns and becomes a replica.
    await master.restart()
    await users.verify()
  }, 40_000)

  it('a start fails with one sentence when no Sentinel answers or knows the name', async (ctx) => {
    const topology = await startSentinel()
    const connect = async (settings: Record<string, string>) => {
      const connections = await openRedis(loadConfig(settings).redis, quiet)
      ctx.onTestFinished(() => connections.stop())
      return connections.connect('patient')
    }
    await expect(connect({ ...topology.settings, REDIS_SENTINEL_NAME: 'other' })).rejects.toThrow(
      'Redis at Sentinel master "other" does not answer (the Sentinels know no master of that name); start it or correct the REDIS_ settings.',
    )
    await topology.stop()
    await expect(connect(topology.settings)).rejects.toThrow(
      'Redis at Sentinel master "halfway-test" does not answer (no Sentinel answers); start it or correct the REDIS_ settings.',
    )
  }, 20_000)
})
