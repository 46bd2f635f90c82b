/**
 * Despite lost connections, moved slots of a Cluster, and killed bridges and servers of NATS, no client misses the final state,
 * and none receives an older state than before.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, type TestContext, test } from 'vitest'
import { createUpdater } from '../../bots/updater.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { loadConfig } from '../../core/runtime/config.ts'
import { createRequestStore } from '../../core/store/request-store.ts'
import { announceServices } from '../helpers/announced.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { hasNats, startNats } from '../helpers/nats-servers.ts'
import { aRecord, PRIVATE, TTL_SECONDS } from '../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { startCluster } from '../helpers/redis-servers.ts'
import './fault-meta.ts'
import { type Installation, startInstallation } from './installation.ts'
import { WAYS, type Watcher, watch } from './watchers.ts'

const redis = await useRedis()

/** The settings that name it, and what breaks all subscriptions. */
interface Broken {
  kind: 'single' | 'Cluster' | 'NATS'
  settings: Record<string, string>
  bridges?: number
  breakSubscriptions(hash: string, halfway: Installation): Promise<void>
}

const single = async (): Promise<Broken> => {
  const client = await redis.connections.connect('patient')
  return {
    kind: 'single',
    settings: { REDIS_URL: redis.url },
    async breakSubscriptions() {
      await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    },
  }
}

/** There the slot of the request moves as well. */
async function cluster({ onTestFinished }: Pick<TestContext, 'onTestFinished'>): Promise<Broken> {
  const topology = await startCluster()
  onTestFinished(() => topology.stop())
  return {
    kind: 'Cluster',
    settings: { ...topology.settings, REDIS_CLUSTER_CHANNELS: 'sharded' },
    async breakSubscriptions(hash) {
      for (const node of topology.nodes) await node.run('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await topology.moveSlot(keys.record(hash))
    },
  }
}

/** In turn NATS, the bridge, and its subscription in Redis end. */
async function overNats(): Promise<Broken> {
  const nats = await startNats()
  const client = await redis.connections.connect('patient')
  let turn = 0
  return {
    kind: 'NATS',
    settings: { REDIS_URL: redis.url, NATS_URL: nats.url },
    bridges: 1,
    async breakSubscriptions(_hash, { bridges }) {
      turn++
      if (turn % 3 === 0) await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      else if (turn % 3 === 1) await bridges[0]?.kill('SIGKILL')
      else {
        await nats.end()
        await nats.restart()
      }
    },
  }
}

const CLIENTS = 200
const REQUESTS = 20
const UPDATES_A_SECOND = 100
const SECONDS = 15
const UPDATES = UPDATES_A_SECOND * SECONDS
/** A busy machine takes longer to write them. */
const WRITTEN_WITHIN_MS = 120_000

test('200 clients that reconnect end on the last version despite lost subscriptions and restarts', (ctx) =>
  comeAndGo(ctx, single))

// A loaded machine makes it red: writes wait while slots move.
test.runIf(onRealRedis && process.env.HALFWAY_TEST_SHARDED !== undefined)(
  'the same with sharded channels of a Cluster, whose slots move',
  (ctx) => comeAndGo(ctx, cluster),
)

test.runIf(onRealRedis && hasNats)(
  'the same with NATS, which ends as its bridge does (needs nats-server)',
  (ctx) => comeAndGo(ctx, overNats),
)

async function comeAndGo(
  ctx: TestContext,
  open: (ctx: Pick<TestContext, 'onTestFinished'>) => Promise<Broken>,
): Promise<void> {
  const { kind, settings, bridges, breakSubscriptions } = await open(ctx)
  const config = loadConfig(settings)
  const connections = await openRedis(config.redis, quiet, config.connections)
  ctx.onTestFinished(() => connections.stop())
  const client = await connections.connect('patient')
  await announceServices(client)
  const halfway = await startInstallation(ctx, {
    settings,
    workers: 0,
    bridges,
    botUrl: 'http://127.0.0.1:9',
  })
  const url = halfway.urls[0] as string
  const updater = await createUpdater({ redis: config.redis, connections: config.connections })
  ctx.onTestFinished(() => updater.stop())
  const store = createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS })
  const hashes: string[] = []
  for (let i = 0; i < REQUESTS; i++) {
    const record = aRecord()
    await store.create(record)
    await store.apply(record.hash, { type: 'start', attempt: 1 })
    hashes.push(record.hash)
  }

  let isOver = false
  const clients: Watcher[] = []
  const wentBack: string[] = []
  /** Disconnects at a random moment and reconnects shortly after with the version it saw last. */
  const reconnect = async (i: number): Promise<void> => {
    const way = WAYS[i % WAYS.length] as (typeof WAYS)[number]
    const hash = hashes[i % REQUESTS] as string
    let last: PublicView | null = null
    for (;;) {
      const watcher = watch(way, url, hash)
      clients[i] = watcher
      await sleep(500 + Math.random() * 4000)
      if (isOver) return
      watcher.stop()
      wentBack.push(...watcher.wentBack)
      if (last && watcher.shown && watcher.shown.version < last.version)
        wentBack.push(`${way} came back to the past`)
      last = watcher.shown ?? last
      await sleep(Math.random() * 300)
    }
  }
  const coming = Array.from({ length: CLIENTS }, (_, i) => reconnect(i))

  const startedAt = performance.now()
  let written = 0
  let kills = 0
  const writing = (async () => {
    while (written < UPDATES) {
      const due = Math.floor(((performance.now() - startedAt) / 1000) * UPDATES_A_SECOND)
      while (written < Math.min(due, UPDATES)) {
        const hash = hashes[written % REQUESTS] as string
        await updater.updateProgress(hash, Math.min(99, written / 20), undefined, `Update ${written}`)
        written++
      }
      await sleep(5)
    }
  })()
  const whenWritten = (share: number): Promise<void> =>
    eventually(() => expect(written).toBeGreaterThanOrEqual(share * UPDATES), {
      withinMs: WRITTEN_WITHIN_MS,
      everyMs: 20,
    })
  const killing = (async () => {
    for (; kills < SECONDS - 1; kills++) {
      await whenWritten((kills + 1) / SECONDS)
      await breakSubscriptions(hashes[kills % REQUESTS] as string, halfway)
    }
  })()
  await whenWritten(1 / 4)
  await halfway.servers[0]?.kill('SIGTERM')
  await whenWritten(1 / 2)
  await halfway.servers[0]?.kill('SIGKILL')
  await Promise.all([writing, killing])
  // The request ends while no client is subscribed.
  await breakSubscriptions(hashes[0] as string, halfway)
  await Promise.all(hashes.map((hash) => updater.markAsCompleted(hash, { done: hash })))
  isOver = true
  await Promise.all(coming)

  const versions = new Map<string, number>()
  for (const hash of hashes) versions.set(hash, (await store.read(hash))?.record.version ?? -1)
  await eventually(() => expect(clients.filter(({ settledAt }) => settledAt === null)).toEqual([]), {
    withinMs: 6000,
    everyMs: 50,
  }).catch(() => {})
  const right = clients.filter(
    ({ shown, hash }) => shown?.is_completed && shown.version === versions.get(hash),
  )
  wentBack.push(...clients.flatMap((watcher) => watcher.wentBack))
  ctx.task.meta.fault = {
    name: `clients come and go, ${kind}`,
    requests: CLIENTS,
    survived: right.length,
    note: `${written} updates, ${kills} subscriptions killed, 2 restarts`,
  }
  expect(wentBack).toEqual([])
  for (const secret of Object.values(PRIVATE)) expect(halfway.logs()).not.toContain(secret)
  expect(
    clients.filter((watcher) => !right.includes(watcher)).map(({ way, shown }) => `${way} ${shown?.version}`),
  ).toEqual([])
}
