/** Connections detect by themselves a network that drops packets and a Redis that freezes, moves or fails. */
import { Worker } from 'bullmq'
import { describe, expect, it, type TestContext } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { BLOCK_SECONDS, blockingOptions, capBlockTimeout } from '../../core/queue/bullmq.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { openRedis, type RedisClient, type Role } from '../../core/redis/connect.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, aRecord, START, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { type RedisProcess, startSingle } from '../helpers/redis-servers.ts'
import { collectLog } from '../helpers/server.ts'
import { catalog, creditScoreRating } from '../helpers/services.ts'
import { type Address, startTcpProxy, type TcpProxy } from '../helpers/tcp-proxy.ts'

const redis = await useRedis()
const direct = await redis.connections.connect('patient')

const placeOf = (url: string) =>
  url.startsWith('unix:')
    ? { path: new URL(url).pathname }
    : { host: '127.0.0.1', port: Number(new URL(url).port) }

/** Connections to the server at this address, closed with the test. */
async function connect<const R extends Role[]>(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  { host, port }: Address,
  ...roles: R
): Promise<{ [I in keyof R]: RedisClient }> {
  const connections = await openRedis({ kind: 'single', host, port, db: 0 }, quiet)
  onTestFinished(() => connections.stop())
  return (await Promise.all(roles.map((role) => connections.connect(role)))) as {
    [I in keyof R]: RedisClient
  }
}

const takes = async (work: Promise<unknown>): Promise<number> => {
  const startedAt = performance.now()
  await work.catch(() => {})
  return performance.now() - startedAt
}

// Concurrent, because the tests mostly wait.
describe.concurrent('connections', () => {
  describe('a connection that is dead without having been closed', () => {
    const toRedis = () => startTcpProxy(placeOf(redis.url))

    for (const role of ['fail-fast', 'patient', 'subscriber'] as const)
      it(`an idle dead connection is detected and replaced within 5 s: ${role}`, async (ctx) => {
        const proxy = await toRedis()
        const [client] = await connect(ctx, proxy, role)
        const before = proxy.connections
        proxy.blackhole()
        const noticed = eventually(() => expect(proxy.connections).toBe(before + 1), { withinMs: 6000 })
        expect(await takes(noticed)).toBeLessThan(5000)
        await eventually(() => expect(client.status).toBe('ready'))
        expect(await client.ping()).toBe('PONG')
      })

    it('a patient command in flight on a dead connection is answered by the next connection', async (ctx) => {
      const proxy = await toRedis()
      const [patient] = await connect(ctx, proxy, 'patient')
      const hash = aHash()
      proxy.blackhole()
      const all = Promise.all(Array.from({ length: 20 }, () => patient.incr(hash)))
      expect(await takes(all)).toBeLessThan(5000)
      expect(Math.max(...(await all))).toBe(20)
    })

    it('fail-fast commands on a dead connection fail within a second and soon work again', async (ctx) => {
      const proxy = await toRedis()
      const [failFast] = await connect(ctx, proxy, 'fail-fast')
      proxy.blackhole()
      const first = failFast.get('a')
      await new Promise(setImmediate)
      const second = failFast.get('b')
      for (const took of await Promise.all([first, second].map(takes))) expect(took).toBeLessThan(1000)
      await expect(first).rejects.toThrow()
      await expect(second).rejects.toThrow()
      expect(await eventually(() => failFast.ping())).toBe('PONG')
    })

    it('the channel subscriber reports the gap to every listener after a dead connection', async (ctx) => {
      const proxy = await toRedis()
      const [client, subscriber] = await connect(ctx, proxy, 'patient', 'subscriber')
      const channels = createChannelSubscriber({ redis: client, subscriber, log: quiet })
      ctx.onTestFinished(() => channels.stop())
      const received = new Set<string>()
      // More channels than one SUBSCRIBE holds.
      const hashes = Array.from({ length: 1200 }, () => aHash())
      await Promise.all(
        hashes.map((hash) =>
          channels.subscribe(hash, {
            onMessage: () => void received.add(hash),
            onGap: () => void direct.publish(keys.channel(hash), 'after the gap'),
          }),
        ),
      )
      proxy.blackhole()
      await eventually(() => expect(received.size).toBe(1200), { withinMs: 6000 })
    })

    it('an idle worker keeps its connection and gets the job added while it was dead', async (ctx) => {
      const proxy = await toRedis()
      const [client] = await connect(ctx, proxy, 'patient')
      const queues = createQueues({ redis: direct, log: quiet, queueList: () => queuesOf(catalog) })
      ctx.onTestFinished(() => queues.stop())
      const done = new Set<string>()
      const worker = new Worker('inquiries', async (job) => void done.add(job.id as string), {
        connection: client,
        prefix: direct.names.queues,
        ...blockingOptions(BLOCK_SECONDS),
      })
      capBlockTimeout(worker, BLOCK_SECONDS)
      worker.on('error', () => {})
      ctx.onTestFinished(() => worker.close(true))
      await worker.waitUntilReady()
      const connected = proxy.connections

      const waits: number[] = []
      const backend = worker.getBackend()
      const wait = backend.waitForJob.bind(backend)
      backend.waitForJob = (seconds) => {
        waits.push(seconds)
        return wait(seconds)
      }
      // With a delayed job in the queue, BullMQ blocks for as long as it may.
      await direct.zadd('halfway:inquiries:delayed', (Date.now() + 60_000) * 4096, 'put-off')
      await direct.zadd('halfway:inquiries:marker', Date.now() + 60_000, '1')
      await eventually(() => expect(waits.length).toBeGreaterThan(3), { withinMs: 9000 })
      expect(Math.max(...waits)).toBe(2)
      expect(proxy.connections).toBe(connected)

      proxy.blackhole()
      await queues.add(aRecord({ hash: 'req_a' }), { queue: creditScoreRating.queue })
      expect(await takes(eventually(() => expect(done).toContain('req_a'), { withinMs: 7000 }))).toBeLessThan(
        5500,
      )
    }, 20_000)
  })

  describe.runIf(onRealRedis)('a Redis that is frozen for a while', () => {
    it('connections survive a frozen Redis without repeated or hanging commands', async (ctx) => {
      const server = await startSingle()
      ctx.onTestFinished(() => server.end('SIGKILL'))
      const [patient, failFast, subscriber] = await connect(ctx, server, 'patient', 'fail-fast', 'subscriber')
      const store = createRequestStore({ redis: patient, ttlSeconds: TTL_SECONDS })
      const channels = createChannelSubscriber({ redis: patient, subscriber, log: quiet })
      ctx.onTestFinished(() => channels.stop())
      const record = aRecord()
      await store.create(record)
      let gaps = 0
      await channels.subscribe(record.hash, { onMessage: () => {}, onGap: () => void gaps++ })

      server.freeze()
      const started = store.apply(record.hash, START)
      for (const took of [await takes(failFast.ping()), await takes(failFast.get('a'))])
        expect(took).toBeLessThan(1000)
      // Long enough for connections to be closed and opened again more than once.
      await eventually(() => expect(subscriber.status).not.toBe('ready'), { withinMs: 6000 })
      await eventually(() => expect(patient.status).not.toBe('ready'), { withinMs: 6000 })
      await eventually(() => expect(patient.status).toBe('connect'), { withinMs: 6000 })
      server.thaw()

      const outcome = await started
      expect(outcome.ok && outcome.stored.record.version).toBe(record.version + 1)
      await eventually(() => expect(gaps).toBe(1), { withinMs: 6000 })
      expect(await eventually(() => failFast.ping())).toBe('PONG')
      expect((await store.read(record.hash))?.record.version).toBe(record.version + 1)
    }, 25_000)
  })

  describe.runIf(onRealRedis)('after a failover behind the same address', () => {
    async function twoServers({ onTestFinished }: Pick<TestContext, 'onTestFinished'>): Promise<{
      proxy: TcpProxy
      old: RedisProcess
      next: RedisProcess
    }> {
      const [old, next] = await Promise.all([startSingle(), startSingle()])
      onTestFinished(async () => void (await Promise.all([old.end('SIGKILL'), next.end('SIGKILL')])))
      await next.run('REPLICAOF', old.host, old.port)
      await eventually(async () =>
        expect(String(await next.run('INFO', 'replication'))).toContain('master_link_status:up'),
      )
      return { proxy: await startTcpProxy(old), old, next }
    }

    it('connections open to a demoted master find the new one', async (ctx) => {
      const { proxy, old, next } = await twoServers(ctx)
      const [failFast, patient] = await connect(ctx, proxy, 'fail-fast', 'patient')
      const storeOf = (client: RedisClient) => createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS })
      const record = aRecord()
      await storeOf(patient).create(record)
      // Writes that had not reached the replica would be lost with the old master, which is not the subject here.
      await eventually(async () => expect(await next.run('EXISTS', keys.record(record.hash))).toBe(1))

      await next.run('REPLICAOF', 'NO', 'ONE')
      await old.run('REPLICAOF', next.host, next.port)
      await eventually(async () =>
        expect(String(await old.run('INFO', 'replication'))).toContain('master_link_status:up'),
      )
      // The address still leads to the old master: fail-fast commands are refused, patient ones wait.
      await expect(storeOf(failFast).create(aRecord())).rejects.toMatchObject({ code: 'storage_unavailable' })
      const waiting = Promise.all([
        storeOf(patient).apply(record.hash, START),
        ...Array.from({ length: 50 }, () => patient.incr('counter')),
      ])
      proxy.redirectTo(next)
      const [outcome] = await waiting
      expect(outcome.ok).toBe(true)
      expect(await next.run('GET', 'counter')).toBe('50')
      await eventually(() => storeOf(failFast).create(aRecord()))
    })

    it('a subscriber left on the old server subscribes again and reports the gap', async (ctx) => {
      const { proxy, next } = await twoServers(ctx)
      const [patient, subscriber] = await connect(ctx, proxy, 'patient', 'subscriber')
      const { log, lines } = collectLog()
      const channels = createChannelSubscriber({ redis: patient, subscriber, log })
      ctx.onTestFinished(() => channels.stop())
      const hash = aHash()
      const received: string[] = []
      await channels.subscribe(hash, {
        onMessage: (text) => void received.push(text),
        onGap: () => void patient.publish(keys.channel(hash), 'after the gap'),
      })
      await next.run('REPLICAOF', 'NO', 'ONE')
      proxy.redirectTo(next)
      patient.disconnect(true)
      await eventually(() => expect(received).toEqual(['after the gap']), { withinMs: 8000 })
      expect(lines.join()).toContain('do not arrive')
    }, 15_000)
  })

  describe('at the start', () => {
    it('a start fails with one sentence when Redis does not answer', async () => {
      const proxy = await startTcpProxy({ host: '127.0.0.1', port: 1 })
      const connections = await openRedis(
        { kind: 'single', host: proxy.host, port: proxy.port, db: 0 },
        quiet,
      )
      await expect(connections.connect('patient')).rejects.toThrow(
        /^Redis at 127\.0\.0\.1:\d+ does not answer \(.+\); start it or correct the REDIS_ settings\.$/,
      )
    })
  })
})
