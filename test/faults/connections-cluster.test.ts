/** Three masters with a replica each, some of which are killed. Concurrent, because the tests mostly wait. */
import { describe, expect, it } from 'vitest'
import { openRedis } from '../../core/redis/connect.ts'
import { loadConfig } from '../../core/runtime/config.ts'
import { keys } from '../helpers/keys.ts'
import { onRealRedis, quiet } from '../helpers/redis.ts'
import { type RedisProcess, startCluster } from '../helpers/redis-servers.ts'
import { useRedisUsers } from '../helpers/redis-users.ts'

const SHARDED = { REDIS_CLUSTER_CHANNELS: 'sharded' }
const only = ({ host, port }: RedisProcess) => ({ REDIS_CLUSTER_NODES: `${host}:${port}` })

describe.runIf(onRealRedis)('in a Cluster', { concurrent: true }, () => {
  it('a Cluster recovers after the master of the queues was killed', async (ctx) => {
    const topology = await startCluster()
    const users = await useRedisUsers(ctx, topology.settings)
    await users.verify()
    const master = await topology.findMaster(users.queuePrefix)
    await master.end('SIGKILL')
    await Promise.all([users.failFast(), users.verifyRecovery()])
    expect(await topology.findMaster(users.queuePrefix)).not.toBe(master)
    await master.restart()
    await users.verify()
  }, 40_000)

  it('a Cluster recovers after the master of a request froze', async (ctx) => {
    const topology = await startCluster()
    const users = await useRedisUsers(ctx, topology.settings)
    await users.verify()
    const master = await topology.findMaster(keys.record(users.hash))
    master.freeze()
    await Promise.all([users.failFast(), users.verifyRecovery()])
    master.thaw()
    await users.verify()
  }, 40_000)

  for (const how of ['killed', 'frozen'] as const)
    it(`with sharded channels a watcher misses nothing after the master of its request was ${how}`, async (ctx) => {
      const topology = await startCluster()
      const users = await useRedisUsers(ctx, { ...topology.settings, ...SHARDED })
      await users.verify()
      const master = await topology.findMaster(keys.record(users.hash))
      if (how === 'killed') await master.end('SIGKILL')
      else master.freeze()
      await Promise.all([users.verifyResubscribed(), users.verifyRecovery()])
      if (how === 'killed') await master.restart()
      else master.thaw()
      await users.verify()
    }, 40_000)

  it('with sharded channels a watcher misses nothing when a replica takes over from its living master', async (ctx) => {
    const topology = await startCluster()
    const users = await useRedisUsers(ctx, { ...topology.settings, ...SHARDED })
    await users.verify()
    const master = await topology.findMaster(keys.record(users.hash))
    const replica = topology.nodes[topology.nodes.indexOf(master) + 3]
    await replica?.run('CLUSTER', 'FAILOVER')
    await Promise.all([users.verifyResubscribed(), users.verifyRecovery()])
    expect(await topology.findMaster(keys.record(users.hash))).toBe(replica)
  }, 40_000)

  it('a patient connection to an incomplete Cluster waits until it is complete', async (ctx) => {
    const topology = await startCluster()
    const slot = Number(await topology.nodes[0]?.run('CLUSTER', 'KEYSLOT', 'a'))
    const master = await topology.findMaster('a')
    await Promise.all(topology.nodes.map((node) => node.run('CLUSTER', 'DELSLOTS', slot)))
    const connections = await openRedis(loadConfig(topology.settings).redis, quiet)
    ctx.onTestFinished(() => connections.stop())
    const patient = await connections.connect('patient')
    const waiting = patient.incr('a')
    const failFast = await connections.connect('fail-fast')
    await expect(failFast.get('a')).rejects.toThrow()
    await master.run('CLUSTER', 'ADDSLOTS', slot)
    expect(await waiting).toBe(1)
  }, 20_000)

  it('a subscriber whose Cluster node was killed receives messages through a node that the settings do not name', async (ctx) => {
    const topology = await startCluster()
    const users = await useRedisUsers(ctx, only(topology.nodes[0] as RedisProcess))
    await users.verify()
    const { port } = users.subscriber.options as { port: number }
    await topology.nodes.find((node) => node.port === port)?.end('SIGKILL')
    await Promise.all([users.verifyResubscribed(), users.verifyRecovery()])
  }, 40_000)

  it('a Cluster that was down is found again although the node in the settings is missing', async (ctx) => {
    const topology = await startCluster({ appendonly: 'yes', appendfsync: 'always' })
    const [named, ...others] = topology.nodes.toReversed() as [RedisProcess, ...RedisProcess[]]
    const users = await useRedisUsers(ctx, only(named))
    await users.verify()
    await Promise.all(topology.nodes.map((node) => node.end('SIGKILL')))
    await users.failFast()
    await Promise.all(others.map((node) => node.restart()))
    await Promise.all([users.verifyResubscribed(), users.verifyRecovery()])
  }, 40_000)

  it('a start fails with one sentence when no Cluster node answers', async (ctx) => {
    const connections = await openRedis(loadConfig({ REDIS_CLUSTER_NODES: '127.0.0.1:1' }).redis, quiet)
    ctx.onTestFinished(() => connections.stop())
    for (const role of ['fail-fast', 'patient', 'subscriber'] as const)
      await expect(connections.connect(role)).rejects.toThrow(
        /^Redis at 127\.0\.0\.1:1 does not answer \((no connection|no answer in time|ECONNREFUSED)\); start it or correct the REDIS_ settings\.$/,
      )
  })
})
