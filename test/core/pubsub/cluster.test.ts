/** The channels in a Cluster: sharded ones reach only the nodes of their slot. */
import { Cluster } from 'ioredis'
import { afterAll, describe, expect, type TestContext, test } from 'vitest'
import { createChannelSubscriber } from '../../../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../../../core/pubsub/request-watcher.ts'
import { openRedis } from '../../../core/redis/connect.ts'
import { keySlot } from '../../../core/redis/key-slot.ts'
import { loadConfig } from '../../../core/runtime/config.ts'
import type { ClusterChannels } from '../../../core/runtime/redis-target.ts'
import { createRequestStore } from '../../../core/store/request-store.ts'
import { eventually } from '../../helpers/eventually.ts'
import { keys } from '../../helpers/keys.ts'
import { aHash, aRecord, progressTo, START, TTL_SECONDS } from '../../helpers/record.ts'
import { onRealRedis, quiet } from '../../helpers/redis.ts'
import { startCluster } from '../../helpers/redis-servers.ts'

const topology = onRealRedis ? await startCluster() : null
afterAll(() => topology?.stop())

async function use({ onTestFinished }: TestContext, clusterChannels: ClusterChannels) {
  const { redis: target } = loadConfig(topology?.settings ?? {})
  const connections = await openRedis(target, quiet, { clusterChannels })
  onTestFinished(() => connections.stop())
  const redis = await connections.connect('patient')
  const channels = createChannelSubscriber({
    redis,
    subscriber: await connections.connect('subscriber'),
    log: quiet,
  })
  const store = createRequestStore({ redis, ttlSeconds: TTL_SECONDS })
  const watcher = createRequestWatcher({ store, channels, log: quiet })
  onTestFinished(() => {
    watcher.stop()
    channels.stop()
  })
  /** Creates a request that runs, watches it, and collects the progress that its watcher receives. */
  async function watched() {
    const record = aRecord()
    await store.create(record)
    await store.apply(record.hash, START)
    const seen: number[] = []
    const { hash } = record
    await watcher.watch(hash, { onUpdate: ({ view }) => void seen.push(view.progress), onExpired: () => {} })
    return { hash, seen }
  }
  const report = (hash: string, progress: number) => store.apply(hash, progressTo(progress))
  return { redis, channels, watched, report }
}

/** How many commands of this name the masters have run. */
async function calls(name: string): Promise<number[]> {
  const stats = await Promise.all((topology?.nodes ?? []).map((node) => node.run('INFO', 'commandstats')))
  return stats.map((text) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(String(text))?.[1] ?? 0))
}
const sum = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0)

describe.runIf(onRealRedis)('in a Cluster', () => {
  test('the slot of a key is that of Redis', async () => {
    for (const key of ['', 'a', 'local_request:req_1', 'x{b}y', '{}b', '{}{b}', 'a{b}{c}', '}{b', 'ü{é}'])
      expect([key, await topology?.nodes[0]?.run('CLUSTER', 'KEYSLOT', key)]).toEqual([key, keySlot(key)])
  })

  test('with sharded channels each master serves a part of the subscriptions, and nothing is sent to all nodes', async (ctx) => {
    const { watched, report } = await use(ctx, 'sharded')
    const requests = await Promise.all(Array.from({ length: 40 }, watched))
    const [published, subscribed] = [sum(await calls('publish')), await calls('ssubscribe')]
    expect(subscribed.filter((count) => count > 1)).toHaveLength(3)
    await Promise.all(requests.map(({ hash }) => report(hash, 10)))
    await eventually(() => expect(requests.map(({ seen }) => seen)).toEqual(requests.map(() => [10])))
    expect(sum(await calls('publish'))).toBe(published)
  })

  test('with plain channels alone no sharded one is used', async (ctx) => {
    const { watched, report } = await use(ctx, 'plain')
    const before = sum(await calls('spublish'))
    const { hash, seen } = await watched()
    await report(hash, 10)
    await eventually(() => expect(seen).toEqual([10]))
    expect(sum(await calls('spublish'))).toBe(before)
  })

  test('with both, updates of processes with either one arrive, each once', async (ctx) => {
    const [plain, sharded, both] = [
      await use(ctx, 'plain'),
      await use(ctx, 'sharded'),
      await use(ctx, 'both'),
    ]
    const { hash, seen } = await both.watched()
    await plain.report(hash, 10)
    await eventually(() => expect(seen).toEqual([10]))
    await sharded.report(hash, 20)
    await eventually(() => expect(seen).toEqual([10, 20]))
    await both.report(hash, 30)
    await eventually(() => expect(seen).toEqual([10, 20, 30]))
  })

  test('a watcher misses nothing while a slot moves from master to master', async (ctx) => {
    const { watched, report } = await use(ctx, 'sharded')
    const { hash, seen } = await watched()
    for (const round of [1, 2, 3]) {
      // Redis lets a script with several keys wait until their slot has moved.
      let written: Promise<unknown> = Promise.resolve()
      await topology?.moveSlot(keys.record(hash), async () => {
        written = report(hash, round * 10)
      })
      await written
      await eventually(() => expect(seen.at(-1)).toBe(round * 10))
      await report(hash, round * 10 + 5)
      await eventually(() => expect(seen.at(-1)).toBe(round * 10 + 5))
    }
  })

  test('a slot that moves without a command of this process is noticed', async (ctx) => {
    const { channels } = await use(ctx, 'sharded')
    const other = await use(ctx, 'sharded')
    const hash = aHash()
    const received: string[] = []
    let gaps = 0
    const stop = await channels.subscribe(hash, {
      onMessage: (text) => void received.push(text),
      onGap: () => void gaps++,
    })
    await topology?.moveSlot(keys.record(hash))
    await eventually(() => expect(gaps).toBeGreaterThan(0))
    await other.channels.publishHint(hash)
    await eventually(() => expect(received).toEqual(['{}']))
    stop()
  })

  test('listeners are notified of a gap after lost connections, and receive what follows', async (ctx) => {
    const { redis, channels } = await use(ctx, 'sharded')
    const hashes = Array.from({ length: 9 }, () => aHash())
    const received = new Map<string, number>()
    const gaps = new Map<string, number>()
    const add = (counts: Map<string, number>, hash: string) =>
      void counts.set(hash, (counts.get(hash) ?? 0) + 1)
    const stops = await Promise.all(
      hashes.map((hash) =>
        channels.subscribe(hash, { onMessage: () => add(received, hash), onGap: () => add(gaps, hash) }),
      ),
    )
    expect(redis).toBeInstanceOf(Cluster)
    for (const node of topology?.nodes ?? []) await node.run('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await eventually(() => expect(hashes.map((hash) => gaps.get(hash) ?? 0)).not.toContain(0))
    await Promise.all(hashes.map((hash) => channels.publishHint(hash)))
    await eventually(() => expect(hashes.map((hash) => received.get(hash))).not.toContain(undefined))
    for (const stop of stops) stop()
  })

  test('the last listener of a channel ends its subscription', async (ctx) => {
    const { redis, channels } = await use(ctx, 'sharded')
    const hash = aHash()
    const { sharded } = redis.names.channelsOf(hash)
    const subscribers = async () => {
      const master = await topology?.findMaster(sharded)
      return (await master?.run('PUBSUB', 'SHARDNUMSUB', sharded)) as [string, number]
    }
    const stops = [
      await channels.subscribe(hash, { onMessage: () => {}, onGap: () => {} }),
      await channels.subscribe(hash, { onMessage: () => {}, onGap: () => {} }),
    ]
    expect(await subscribers()).toEqual([sharded, 1])
    for (const stop of stops) stop()
    await eventually(async () => expect(await subscribers()).toEqual([sharded, 0]))
  })
})
