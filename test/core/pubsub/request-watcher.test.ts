import { describe, expect, it } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import { AppError } from '../../../core/domain/errors.ts'
import type { PublicView } from '../../../core/domain/record.ts'
import { shortReference } from '../../../core/domain/short-reference.ts'
import type { Waiting } from '../../../core/domain/waiting.ts'
import { createRequestWatcher, type UpdateListener } from '../../../core/pubsub/request-watcher.ts'
import { encodeRecord, encodeView } from '../../../core/records/codec.ts'
import { publishHint } from '../../../core/store/publish-hint.ts'
import { createRequestStore, type RequestStore } from '../../../core/store/request-store.ts'
import { eventually } from '../../helpers/eventually.ts'
import { keys } from '../../helpers/keys.ts'
import { aHash, aRecord, progressTo, START, TOO_LONG, TTL_SECONDS } from '../../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'
import { collectLog } from '../../helpers/server.ts'

const redis = await useRedis()
const { client, store, channels, watcher, given, applyCommand, foreignWrite, subscriptions } =
  await useRequests(redis)

/** A watcher with another store, or another pace of updates. */
const liveOn = (changed: Partial<RequestStore>, throttleMs?: number, log = quiet) =>
  createRequestWatcher({
    store: { ...store, ...changed },
    channels,
    log,
    throttleMs,
  })
/** The store of another process, with an empty cache. */
const another = () => createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS })

function page(): UpdateListener & { views: PublicView[]; ends: number } {
  const views: PublicView[] = []
  return {
    views,
    ends: 0,
    onUpdate: ({ view }) => void views.push(view),
    onExpired() {
      this.ends++
    },
  }
}

const versions = ({ views }: { views: PublicView[] }) => views.map(({ version }) => version)

describe('a watched request', () => {
  it('a watcher receives the current state, then every newer one in order', async () => {
    const { record } = await given(START)
    const mine = page()
    const watch = await watcher.watch(record.hash, mine)
    expect(watch.latest.view).toMatchObject({ version: 2, status: 'processing' })
    expect(JSON.parse(watch.latest.json)).toEqual(watch.latest.view)
    for (const progress of [10, 20, 30]) await applyCommand(record.hash, progressTo(progress))
    await eventually(() => expect(versions(mine)).toEqual([3, 4, 5]))
    watch.stop()
  })

  it('several watchers of a request share one subscription, which ends with the last', async () => {
    const { record } = await given()
    const own = liveOn({})
    const watches = await Promise.all(Array.from({ length: 20 }, () => own.watch(record.hash, page())))
    expect([await subscriptions(record.hash), own.size]).toEqual([1, 1])
    for (const watch of watches) watch.stop()
    expect(own.size).toBe(0)
    await eventually(async () => expect(await subscriptions(record.hash)).toBe(0))
  })

  it('a newer estimate of a waiting request is sent with its next position, and to those who come later', async () => {
    const { record } = await given()
    const at = (position: number, seconds: number): Waiting => ({
      position,
      hold: null,
      range: [seconds, seconds],
    })
    let onRead = (_waiting: Waiting): void => {}
    const own = createRequestWatcher({
      store,
      channels,
      log: quiet,
      queuePositions: {
        read: async () => at(2, 60),
        follow(_request, listener) {
          onRead = listener
          return () => {}
        },
      },
    })
    const estimates = ({ queue_position, estimated_remaining_time }: PublicView) => [
      queue_position,
      estimated_remaining_time,
    ]
    const [first, later] = [page(), page()]
    const watches = [await own.watch(record.hash, first)]
    onRead(at(2, 50))
    onRead(at(2, 40))
    expect(first.views).toEqual([])
    watches.push(await own.watch(record.hash, later))
    expect(watches.map(({ latest }) => estimates(latest.view))).toEqual([
      [2, 60],
      [2, 40],
    ])
    onRead(at(1, 20))
    await eventually(() => {
      for (const { views } of [first, later]) expect(views.map(estimates)).toEqual([[1, 20]])
    })
    for (const watch of watches) watch.stop()
  })

  it('a state is encoded once for all watchers', async () => {
    const { record } = await given(START)
    const encoded: string[] = []
    const listener: UpdateListener = { onUpdate: ({ json }) => void encoded.push(json), onExpired: () => {} }
    const watches = [
      await watcher.watch(record.hash, listener),
      await watcher.watch(record.hash, { ...listener }),
    ]
    await applyCommand(record.hash, progressTo(10))
    await eventually(() => expect(encoded).toHaveLength(2))
    expect(encoded[0]).toBe(encoded[1])
    for (const watch of watches) watch.stop()
  })

  it('a watcher added while the last one leaves receives updates', async () => {
    const { record } = await given(START)
    let before = await watcher.watch(record.hash, page())
    for (let round = 1; round <= 50; round++) {
      const next = page()
      if (round % 2) before.stop()
      const arriving = watcher.watch(record.hash, next)
      if (round % 2 === 0) before.stop()
      before = await arriving
      await applyCommand(record.hash, progressTo(round))
      await eventually(() => expect(next.views.at(-1)).toMatchObject({ progress: round }))
    }
    before.stop()
  })

  it('an update published between subscribing and reading is not lost', async () => {
    const { record } = await given(START)
    let finishReading = () => {}
    const finished = new Promise<void>((resolve) => {
      finishReading = resolve
    })
    const slow = liveOn({
      // The record is stale by the time the read resolves.
      async get(hash) {
        const stored = await store.get(hash)
        await applyCommand(hash, progressTo(77))
        await finished
        return stored
      },
    })
    const secondPage = page()
    const other = await watcher.watch(record.hash, secondPage)
    const watching = slow.watch(record.hash, page())
    await eventually(() => expect(secondPage.views).toHaveLength(1))
    finishReading()
    const watch = await watching
    expect(watch.latest.view).toMatchObject({ progress: 77, version: 3 })
    watch.stop()
    other.stop()
  })

  it('a watched request is read only after its channel is subscribed', async () => {
    const { record } = await given(START)
    const order: string[] = []
    const inOrder = createRequestWatcher({
      channels: {
        ...channels,
        async subscribe(hash, listener) {
          const stop = await channels.subscribe(hash, listener)
          await client.ping()
          order.push('heard')
          return stop
        },
      },
      store: {
        ...store,
        get(hash) {
          order.push('read')
          return store.get(hash)
        },
      },
      log: quiet,
    })
    const watch = await inOrder.watch(record.hash, page())
    expect(order).toEqual(['heard', 'read'])
    watch.stop()
  })

  it('a watcher does not receive states that are not newer than the last', async () => {
    const { record } = await given(START, progressTo(10))
    const mine = page()
    const watch = await watcher.watch(record.hash, mine)
    const old: PublicView = { ...watch.latest.view, version: 1, progress: 1 }
    await client.publish(keys.channel(record.hash), encodeView(old))
    await client.publish(keys.channel(record.hash), encodeView(watch.latest.view))
    await applyCommand(record.hash, progressTo(20))
    await eventually(() => expect(mine.views.at(-1)?.progress).toBe(20))
    expect(versions(mine)).toEqual([4])
    watch.stop()
  })

  it('watching a missing request tells not found from expired', async () => {
    const own = liveOn({})
    const code = (hash: string) => own.watch(hash, page()).catch((error: AppError) => error.code)
    const hashes = [aHash(), aHash(Date.now() - TTL_SECONDS * 1000 - 1), 'req_0123456789abcdef']
    expect(await Promise.all(hashes.map(code))).toEqual([
      'request_not_found',
      'request_expired',
      'request_not_found',
    ])
    expect(own.size).toBe(0)
    for (const hash of hashes) await eventually(async () => expect(await subscriptions(hash)).toBe(0))
  })
})

describe('when another program writes', () => {
  it('a foreign update is shown immediately as a new version without private fields', async () => {
    const { record } = await given(START)
    const mine = page()
    const watch = await watcher.watch(record.hash, mine)
    await foreignWrite(record.hash, { progress: 55, current_message: 'From elsewhere' })
    await eventually(() => expect(mine.views).toHaveLength(1))
    expect(mine.views[0]).toMatchObject({ progress: 55, current_message: 'From elsewhere', version: 3 })
    expect(JSON.stringify(mine.views)).not.toContain('private-')
    watch.stop()
  })

  it('a published record, identical to the stored one, is not passed on with its private fields', async () => {
    const { record } = await given(START)
    const mine = page()
    const watch = await watcher.watch(record.hash, mine)
    await client.publish(keys.channel(record.hash), encodeRecord({ ...record, version: 99 }))
    await applyCommand(record.hash, progressTo(20))
    await eventually(() => expect(mine.views.at(-1)?.progress).toBe(20))
    expect(JSON.stringify(mine.views)).not.toContain('private-')
    watch.stop()
  })

  it.each([
    ['nothing', ''],
    ['no JSON', 'nonsense'],
    ['no JSON under our mark', 'nonsense\t '],
    ['null under our mark', 'null\t '],
    ['a version that is no number', '{"version":"x"}\t '],
    ['a text that is too long', TOO_LONG],
  ])('watchers are not affected by %s on the channel', async (_what, invalid) => {
    const { record } = await given(START)
    const mine = page()
    const watch = await watcher.watch(record.hash, mine)
    await client.publish(keys.channel(record.hash), invalid)
    await applyCommand(record.hash, progressTo(20))
    await eventually(() => expect(versions(mine)).toEqual([3]))
    watch.stop()
  })

  it('repeated invalid messages on the channel are logged once and cause sequential reads', async () => {
    const { record } = await given(START)
    const { log, lines } = collectLog()
    let reading = 0
    let most = 0
    const own = liveOn(
      {
        async read(hash, seen) {
          most = Math.max(most, ++reading)
          return store.read(hash, seen).finally(() => reading--)
        },
      },
      0,
      log,
    )
    const mine = page()
    const watch = await own.watch(record.hash, mine)
    // Of this program: a record may have changed.
    await publishHint(client, record.hash)
    for (let n = 0; n < 4; n++) await client.publish(keys.channel(record.hash), TOO_LONG)
    for (let n = 0; n < 200; n++) await client.publish(keys.channel(record.hash), '[]')
    await applyCommand(record.hash, progressTo(20))
    await eventually(() => expect(versions(mine)).toEqual([3]))
    expect(most).toBe(1)
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 40, request: shortReference(record.hash), kind: 'far too long' },
    ])
    watch.stop()
  })

  it('a new watcher of an invalid record receives the last valid state', async () => {
    const { record } = await given(START, progressTo(20))
    await client.set(keys.record(record.hash), 'nonsense')
    const watch = await watcher.watch(record.hash, page())
    expect(watch.latest.view).toMatchObject({ version: 3, progress: 20 })
    watch.stop()
  })

  it('a request whose record is invalid expires on time', async () => {
    const record = aRecord({ ttlSeconds: 0.3 })
    await store.create(record)
    const mine = page()
    await liveOn(another()).watch(record.hash, mine)
    await client.set(keys.record(record.hash), 'nonsense')
    await eventually(() => expect(mine.ends).toBe(1))
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(record.expires_at))
  })

  it('a request whose record was invalid is shown again once the record is repaired', async () => {
    const { record, raw } = await given(START)
    const mine = page()
    const watch = await watcher.watch(record.hash, mine)
    await client.set(keys.record(record.hash), 'nonsense')
    await client.publish(keys.channel(record.hash), 'nonsense')
    await client.set(keys.record(record.hash), raw)
    await applyCommand(record.hash, progressTo(20))
    await eventually(() => expect(versions(mine)).toEqual([3]))
    watch.stop()
  })
})

describe('when something older comes back', () => {
  it('a watcher and the record continue from the newest state when an older one comes back', async () => {
    const early = await given(START, progressTo(20))
    const { hash } = early.record
    await applyCommand(hash, progressTo(60, 'Seen'))
    const mine = page()
    const watch = await liveOn(another()).watch(hash, mine)
    // As after a fail-over that lost the last write: a program continues from the older record.
    await client.set(keys.record(hash), early.raw, 'PXAT', Date.parse(early.record.expires_at))
    await another().apply(hash, progressTo(30))
    await eventually(() => expect(mine.views).toHaveLength(1))
    expect(mine.views[0]).toMatchObject({ version: 5, progress: 60, current_message: 'Seen' })
    expect((await another().read(hash))?.record).toMatchObject({ version: 5, progress: 60 })
    watch.stop()
  })

  it('an older state with a higher version takes back nothing that was shown', async () => {
    const { hash } = (await given(START, progressTo(20))).record
    const mine = page()
    const watch = await liveOn(another()).watch(hash, mine)
    const base = JSON.parse((await client.get(keys.record(hash))) as string)
    await applyCommand(hash, progressTo(60))
    await eventually(() => expect(versions(mine)).toEqual([4]))
    await client.setex(keys.record(hash), 60, JSON.stringify({ ...base, version: 4, progress: 30 }))
    await client.del(keys.backup(hash))
    // Another process adopts it without a message to this one.
    expect((await another().read(hash))?.record).toMatchObject({ version: 5, progress: 30 })
    await eventually(() => expect(mine.views.at(-1)?.version).toBeGreaterThan(5))
    expect(mine.views.map(({ progress }) => progress)).toEqual([60, 60])
    watch.stop()
  })
})

describe('states that change faster than the throttle allows', () => {
  const HOUR_MS = 3_600_000

  it('rapid states are throttled except the first and the final; a new watcher receives the newest', async () => {
    const { hash } = (await given(START)).record
    const slow = liveOn({}, HOUR_MS)
    const [mine, late] = [page(), page()]
    await slow.watch(hash, mine)
    await applyCommand(hash, progressTo(10))
    await eventually(() => expect(versions(mine)).toEqual([3]))
    for (const progress of [20, 30]) await applyCommand(hash, progressTo(progress))
    await eventually(async () => {
      const { latest, stop } = await slow.watch(hash, page())
      stop()
      expect(latest.view.version).toBe(5)
    })
    expect((await slow.watch(hash, late)).latest.view.version).toBe(5)
    expect(versions(mine)).toEqual([3])
    await applyCommand(hash, { type: 'cancel', by: 'user' })
    await eventually(() => expect([versions(mine), versions(late)]).toEqual([[3, 6], [6]]))
    slow.stop()
  })

  it('a throttled state is delivered before the request is reported as expired', async () => {
    const record = aRecord({ ttlSeconds: 0.4 })
    await store.create(record)
    const slow = liveOn({}, HOUR_MS)
    const mine = page()
    await slow.watch(record.hash, mine)
    for (const progress of [10, 20, 30])
      await applyCommand(record.hash, { ...progressTo(progress), attempt: 0 } as Command)
    await eventually(() => expect(mine.ends).toBe(1))
    expect(versions(mine)).toEqual([2, 4])
  })

  it('throttled states are delivered one at a time, newest first, and once to each listener', async () => {
    const mergeMs = 60
    const { hash } = (await given(START)).record
    const paced = liveOn({}, mergeMs)
    const receivedAt: number[] = []
    const mine = page()
    const watch = await paced.watch(hash, {
      ...mine,
      onUpdate(update) {
        receivedAt.push(performance.now())
        mine.onUpdate(update)
      },
    })
    const others: [number, ReturnType<typeof page>][] = []
    for (let progress = 0; progress < 99; progress++) {
      await applyCommand(hash, progressTo(progress))
      if (progress % 10) continue
      const other = page()
      others.push([(await paced.watch(hash, other)).latest.view.version, other])
    }
    await eventually(() => expect(mine.views.at(-1)?.progress).toBe(98))
    for (const [first, other] of [[2, mine], ...others] as typeof others) {
      const received = [first, ...versions(other)]
      expect(received).toEqual([...new Set(received)].sort((a, b) => a - b))
      expect(received.at(-1)).toBe(101)
    }
    const pauses = receivedAt.slice(1).map((at, n) => at - (receivedAt[n] as number))
    // A timer of Node may be a millisecond early.
    expect(Math.min(...pauses, mergeMs)).toBeGreaterThanOrEqual(mergeMs - 2)
    watch.stop()
    paced.stop()
  })
})

describe('when its time is over', () => {
  it('every watcher is notified once when the request expires', async () => {
    const record = aRecord({ ttlSeconds: 0.3 })
    await store.create(record)
    const own = liveOn({})
    const pages = [page(), page()]
    for (const one of pages) await own.watch(record.hash, one)
    await eventually(() => expect(pages.map(({ ends }) => ends)).toEqual([1, 1]))
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(record.expires_at))
    expect(own.size).toBe(0)
    await eventually(async () => expect(await subscriptions(record.hash)).toBe(0))
  })

  it('expiry is reported even if a read failed before it', async () => {
    const record = aRecord({ ttlSeconds: 0.6 })
    await store.create(record)
    let failures = 0
    let readings = 0
    const stumbling = liveOn({
      async read(hash) {
        if (++readings === 1 && ++failures) throw new AppError('storage_unavailable')
        return store.read(hash)
      },
    })
    const mine = page()
    await stumbling.watch(record.hash, mine)
    await client.publish(keys.channel(record.hash), 'a hint to read')
    await eventually(() => expect(mine.ends).toBe(1))
    expect(failures).toBe(1)
  })

  it('expiry of a finished request is reported at its extended end, not at the first', async () => {
    const record = aRecord({ ttlSeconds: 0.3 })
    await store.create(record)
    const mine = page()
    const watch = await watcher.watch(record.hash, mine)
    await applyCommand(record.hash, { type: 'cancel', by: 'user' })
    await eventually(() => expect(mine.views.at(-1)?.is_cancelled).toBe(true))
    await eventually(() => expect(Date.now()).toBeGreaterThan(Date.parse(record.expires_at) + 50))
    expect([mine.ends, (await store.read(record.hash))?.record.status]).toEqual([0, 'cancelled'])
    watch.stop()
  })
})

describe.runIf(onRealRedis)('when the connection breaks', () => {
  it('a watcher receives the newest state after CLIENT KILL TYPE pubsub', async () => {
    const { record } = await given(START)
    const mine = page()
    const watch = await watcher.watch(record.hash, mine)
    for (const progress of [20, 40, 60]) {
      await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await applyCommand(record.hash, progressTo(progress))
      await eventually(() => expect(mine.views.at(-1)?.progress).toBe(progress))
    }
    expect(versions(mine)).toEqual([...versions(mine)].sort((a, b) => a - b))
    watch.stop()
  })

  it('a new watch fails within its time limit while Redis is unavailable, and works when it is back', async () => {
    const impatient = createRequestWatcher({
      store,
      channels,
      log: quiet,
      subscribeTimeoutMs: 300,
    })
    const { record } = await given()
    await redis.stop()
    await expect(impatient.watch(record.hash, page())).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(impatient.size).toBe(0)
    await redis.restart()
    await store.create(record)
    const watch = await eventually(() => impatient.watch(record.hash, page()))
    expect(watch.latest.view.hash).toBe(record.hash)
    watch.stop()
  })
})
