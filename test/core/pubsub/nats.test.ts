/** Updates over NATS: what the listeners of a server receive when bridges, NATS or the subscription in Redis fail. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Bridge, startBridge } from '../../../bridge/carry-updates.ts'
import { type ChannelSubscriber, createChannelSubscriber } from '../../../core/pubsub/channel-subscriber.ts'
import { type NatsLink, openNats } from '../../../core/pubsub/nats-link.ts'
import { createRequestWatcher, type EncodedUpdate } from '../../../core/pubsub/request-watcher.ts'
import { type ConnectionSettings, openRedis, type RedisClient } from '../../../core/redis/connect.ts'
import { createKeys } from '../../../core/redis/keys.ts'
import { freePort } from '../../../core/redis/local-server.ts'
import { loadConfig } from '../../../core/runtime/config.ts'
import type { NatsConfig } from '../../../core/runtime/nats-settings.ts'
import type { RedisTarget } from '../../../core/runtime/redis-target.ts'
import { createRequestStore } from '../../../core/store/request-store.ts'
import { eventually } from '../../helpers/eventually.ts'
import { hasNats, type NatsServer, startNats } from '../../helpers/nats-servers.ts'
import { aHash, aRecord, START, TTL_SECONDS } from '../../helpers/record.ts'
import { onRealRedis, quiet, useFolder, useRedis } from '../../helpers/redis.ts'
import { startSingle } from '../../helpers/redis-servers.ts'
import { startTcpProxy } from '../../helpers/tcp-proxy.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')

async function link(url: string): Promise<NatsLink> {
  const nats = loadConfig({ NATS_URL: url }).nats as NatsConfig
  const opened = await openNats(nats, { name: 'test', log: quiet })
  onTestFinished(() => opened.stop())
  return opened
}

interface Where extends ConnectionSettings {
  target?: RedisTarget
}

async function connect({ target = redis.target, ...settings }: Where) {
  const connections = await openRedis(target, quiet, settings)
  onTestFinished(() => connections.stop())
  return {
    commands: await connections.connect('fail-fast'),
    subscriber: await connections.connect('subscriber'),
  }
}

async function bridgeTo(urls: string[], where: Where = {}): Promise<Bridge & { subscriber: RedisClient }> {
  const { commands, subscriber } = await connect(where)
  const bridge = await startBridge({ redis: commands, subscriber, log: quiet })
  onTestFinished(() => bridge.stop())
  for (const url of urls) bridge.carryTo(await link(url))
  return { ...bridge, subscriber }
}

async function serverAt(url: string, where: Where = {}): Promise<ChannelSubscriber> {
  const { commands } = await connect(where)
  const channels = createChannelSubscriber({ redis: commands, subscriber: await link(url), log: quiet })
  onTestFinished(() => channels.stop())
  return channels
}

/** Writes a number, and publishes it in the same step, as the scripts do with records. */
async function write(hash: string, number: number, keyPrefix = ''): Promise<void> {
  const { channel } = createKeys({ keyPrefix })
  await client.multi().set(`number:${keyPrefix}${hash}`, number).publish(channel(hash), String(number)).exec()
}

/** Follows the number of a request as a watcher follows a record: from messages, and after each gap from a read. */
async function follow({ subscribe }: ChannelSubscriber, hash = aHash(), keyPrefix = '') {
  const received: string[] = []
  let [gaps, shown] = [0, 0]
  const show = (number: number): void => {
    shown = Math.max(shown, number)
  }
  const read = async (): Promise<void> => show(Number(await client.get(`number:${keyPrefix}${hash}`)))
  const stop = await subscribe(hash, {
    onMessage: (text) => {
      received.push(text)
      show(Number(text))
    },
    onGap: () => {
      gaps++
      void read()
    },
  })
  return {
    hash,
    received,
    stop,
    get gaps() {
      return gaps
    },
    get shown() {
      return shown
    },
  }
}
type Follower = Awaited<ReturnType<typeof follow>>

/** A bridge has given a sign, so that only what happens from now on is a gap. */
const settled = (follower: Follower): Promise<void> =>
  eventually(() => expect(follower.gaps).toBeGreaterThan(0))

/** While this happens, and after it, numbers are written; the last one must be shown in the end, though nothing follows it. */
async function expectNothingLost(follower: Follower, happens: () => unknown): Promise<void> {
  let number = follower.shown
  let isOver = false
  const writing = (async () => {
    while (!isOver) {
      await write(follower.hash, ++number)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  await happens()
  isOver = true
  await writing
  await eventually(() => expect(follower.shown).toBe(number))
}

const names = (text: string) => `${text} (needs nats-server)`

describe.runIf(onRealRedis && hasNats)('updates over NATS', () => {
  const single = async () => {
    const nats = await startNats()
    const bridge = await bridgeTo([nats.url])
    const channels = await serverAt(nats.url)
    const follower = await follow(channels)
    await settled(follower)
    return { nats, bridge, channels, follower }
  }
  const becomes = ({ health }: ChannelSubscriber, isUp: boolean): Promise<void> =>
    eventually(() => expect(health.isUp).toBe(isUp))

  test(names('a listener receives what is published for its request, and nothing else'), async () => {
    const { channels, follower } = await single()
    const other = await follow(channels)
    const { channel } = createKeys({})
    await client.publish(channel('not a hash.>'), 'of a channel that is no request')
    await client.publish(channel(follower.hash), 'one')
    await channels.publishHint(follower.hash)
    await client.publish(channel(follower.hash), 'دو')
    await eventually(() => expect(follower.received).toEqual(['one', '{}', 'دو']))
    expect(other.received).toEqual([])
    follower.stop()
    await client.publish(channel(follower.hash), 'after the end')
    await client.publish(channel(other.hash), 'last')
    await eventually(() => expect(other.received).toEqual(['last']))
    expect(follower.received).not.toContain('after the end')
  })

  test(names('a dead bridge is noticed, and the next one is a gap'), async () => {
    const { nats, bridge, channels, follower } = await single()
    await expectNothingLost(follower, async () => {
      bridge.stop()
      await becomes(channels, false)
      await bridgeTo([nats.url])
      await becomes(channels, true)
    })
  })

  test(names('a bridge that is replaced at once is a gap'), async () => {
    const { nats, bridge, channels, follower } = await single()
    await expectNothingLost(follower, async () => {
      bridge.stop()
      await write(follower.hash, 1)
      await bridgeTo([nats.url])
      await eventually(() => expect(follower.gaps).toBe(2))
    })
    expect(channels.health.isUp).toBe(true)
  })

  test(names('a restarted NATS is a gap, and so is a frozen one'), async () => {
    const { nats, channels, follower } = await single()
    await expectNothingLost(follower, async () => {
      await nats.end()
      await becomes(channels, false)
      await nats.restart()
      await becomes(channels, true)
    })
    await expectNothingLost(follower, async () => {
      nats.freeze()
      await becomes(channels, false)
      nats.thaw()
      await becomes(channels, true)
    })
    await expectNothingLost(follower, async () => {
      const before = follower.gaps
      await nats.end()
      await nats.restart()
      await eventually(() => expect(follower.gaps).toBeGreaterThan(before))
    })
  })

  test(names('a subscription that the bridge has lost is a gap'), async () => {
    const { bridge, channels, follower } = await single()
    const id = await bridge.subscriber.client('ID')
    await expectNothingLost(follower, async () => {
      await client.call('CLIENT', 'KILL', 'ID', String(id))
      await eventually(() => expect(follower.gaps).toBe(2))
    })
    expect(channels.health.isUp).toBe(true)
  })

  test(
    names('a bridge whose subscription receives nothing gives no sign, and opens another one'),
    async () => {
      const own = await startSingle()
      const proxy = await startTcpProxy(own)
      const nats = await startNats()
      const target: RedisTarget = { kind: 'single', url: `redis://${proxy.host}:${proxy.port}` }
      await bridgeTo([nats.url], { target })
      const channels = await serverAt(nats.url)
      const follower = await follow(channels)
      await settled(follower)
      proxy.blackhole()
      await becomes(channels, false)
      await eventually(() => expect(follower.gaps).toBe(2))
      expect(channels.health.isUp).toBe(true)
    },
  )

  test(names('of two bridges one may end, and nothing is lost'), async () => {
    const { nats, bridge, channels, follower } = await single()
    const second = await bridgeTo([nats.url])
    await eventually(() => expect(follower.gaps).toBe(2))
    for (let number = 1; number <= 200; number++) {
      if (number === 100) bridge.stop()
      await write(follower.hash, number)
    }
    await eventually(() => expect(new Set(follower.received).size).toBe(200))
    expect([follower.gaps, channels.health.isUp]).toEqual([2, true])
    second.stop()
    await becomes(channels, false)
  })

  test(names('a server whose NATS ends continues at another one'), async () => {
    const [first, second] = [await startNats(), await startNats()] as [NatsServer, NatsServer]
    await bridgeTo([first.url, second.url])
    await first.end()
    const channels = await serverAt(`${first.url},${second.url}`)
    const follower = await follow(channels)
    await settled(follower)
    await first.restart()
    for (const [ends, other] of [
      [second, first],
      [first, second],
    ] as const)
      await expectNothingLost(follower, async () => {
        const before = follower.gaps
        await ends.end()
        await eventually(() => expect(follower.gaps).toBeGreaterThan(before))
        await becomes(channels, true)
        await ends.restart()
        expect(other.port).not.toBe(ends.port)
      })
  })

  test(names('after a gap the listeners of a thousand requests read'), async () => {
    const { nats, channels } = await single()
    const followers = await Promise.all(Array.from({ length: 1200 }, () => follow(channels)))
    await nats.end()
    await nats.restart()
    await eventually(() => expect(followers.filter(({ gaps }) => gaps === 0)).toEqual([]))
  })

  test(names('installations with different prefixes share a NATS'), async () => {
    const nats = await startNats()
    const hash = aHash()
    const followers = new Map<string, Follower>()
    for (const keyPrefix of ['', 'a.b:', 'a_b:']) {
      await bridgeTo([nats.url], { keyPrefix })
      const follower = await follow(await serverAt(nats.url, { keyPrefix }), hash, keyPrefix)
      followers.set(keyPrefix, follower)
      await settled(follower)
    }
    let number = 0
    for (const keyPrefix of followers.keys()) await write(hash, ++number, keyPrefix)
    number = 0
    for (const { received } of followers.values()) {
      const own = String(++number)
      await eventually(() => expect(received).toContain(own))
      expect(received).toEqual([own])
    }
  })

  test(names('in place of a message that NATS does not take there is a hint to read'), async () => {
    const conf = join(useFolder(), 'nats.conf')
    writeFileSync(conf, 'max_payload: 1024\n')
    const nats = await startNats('--config', conf)
    await bridgeTo([nats.url])
    const follower = await follow(await serverAt(nats.url))
    await settled(follower)
    await client.publish(createKeys({}).channel(follower.hash), 'x'.repeat(2000))
    await eventually(() => expect(follower.received).toEqual(['{}']))
  })

  test(
    names('a subscription that NATS refuses fails, and one that begins while it is away waits'),
    async () => {
      const conf = join(useFolder(), 'nats.conf')
      const rights = 'publish: ">", subscribe: ["halfway.updates.bridges", "halfway.updates.req_0*"]'
      writeFileSync(
        conf,
        `authorization { users = [{ user: a, password: b, permissions: { ${rights} } }] }\n`,
      )
      const nats = await startNats('--config', conf)
      const refusing = await serverAt(nats.url.replace('//', '//a:b@'))
      await expect(follow(refusing)).rejects.toThrow('NATS refuses a subscription')

      const { nats: other, channels } = await single()
      await other.end()
      await becomes(channels, false)
      const waiting = follow(channels)
      await other.restart()
      await expectNothingLost(await waiting, () => becomes(channels, true))
    },
  )

  test(
    names('who joins is shown the newest state, though nothing has noticed yet that the bridge is dead'),
    async () => {
      const { bridge, channels } = await single()
      const store = createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS })
      const watcher = createRequestWatcher({ store, channels, log: quiet })
      onTestFinished(() => watcher.stop())
      const { hash } = aRecord()
      await store.create(aRecord({ hash }))
      const shown: string[] = []
      const listener = {
        onUpdate: ({ view }: EncodedUpdate) => void shown.push(view.status),
        onExpired: () => {},
      }
      await watcher.watch(hash, listener)
      bridge.stop()
      await store.apply(hash, START)
      const { latest } = await watcher.watch(hash, { onUpdate: () => {}, onExpired: () => {} })
      expect([latest.view.status, channels.health.isUp]).toEqual(['processing', true])
      expect(shown).toEqual(['processing'])
    },
  )

  test(names('a bridge without DATA_KEY carries what is sealed, which the server opens'), async () => {
    const own = await startSingle()
    const target: RedisTarget = { kind: 'single', url: own.settings.REDIS_URL as string }
    const dataKeys = [randomBytes(32)]
    const { commands } = await connect({ target, dataKeys })
    const store = createRequestStore({ redis: commands, ttlSeconds: TTL_SECONDS })
    const record = aRecord()
    await store.create(record)
    const nats = await startNats()
    await bridgeTo([nats.url], { target, rights: 'bridge' })
    const seen: string[] = []
    const watching = await link(nats.url)
    watching.subscribe('halfway.updates.>', (text) => void seen.push(text))
    const { received } = await follow(await serverAt(nats.url, { target, dataKeys }), record.hash)
    await store.apply(record.hash, START)
    await store.apply(record.hash, { type: 'complete', attempt: 1, result: { balance: 'four hundred' } })
    await eventually(() => expect(received.join()).toContain('four hundred'))
    await eventually(() => expect(seen.join()).toContain('"sealed"'))
    expect(seen.join()).not.toContain('four hundred')
  })

  test(names('what cannot be used is said in a sentence without a password'), async () => {
    const secured = await startNats('--user', 'halfway', '--pass', 's3cret/word')
    await link(secured.url.replace('//', '//halfway:s3cret%2Fword@'))
    const clustered = await startNats(
      ...['--cluster_name', 'c', '--cluster', `nats://127.0.0.1:${await freePort()}`],
    )
    for (const [url, reason] of [
      [secured.url.replace('//', '//halfway:an0ther@'), 'cannot be used ('],
      [`nats://halfway:an0ther@127.0.0.1:${await freePort()}`, 'cannot be used ('],
      [clustered.url, 'is a cluster'],
    ] as const) {
      const error = await link(url).catch((thrown: Error) => thrown)
      expect((error as Error).message).toMatch(/^NATS at 127\.0\.0\.1:\d+ [^\n]*\.$/)
      expect((error as Error).message).toContain(reason)
      expect((error as Error).message).not.toContain('an0ther')
    }
  })
})
