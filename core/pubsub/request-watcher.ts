/**
 * Requests as they move: what pages, streams, long polls, workers and bots follow. One entry a request however many
 * watch it; each listener hears every state that is newer than the one it was given, and the end.
 *
 * The order is the point: join, subscribe, read, answer. What is published between subscribing and reading is heard,
 * what was published before is read. After a pause of the connection the record is read again; at `expires_at` it is
 * looked for; a foreign program's message, and one that takes something back, is only taken as a hint to read.
 */
import { isUnreadable } from '../domain/errors.ts'
import { isNewer, type PublicView, type RequestRecord, STATUSES, toPublicView } from '../domain/record.ts'
import { notFoundOrExpired } from '../domain/request-id.ts'
import { encodeView } from '../records/codec.ts'
import { describeInvalid, parseForeignRecord } from '../records/foreign-record.ts'
import { isRegression } from '../records/reconcile.ts'
import type { Log } from '../runtime/log.ts'
import type { RequestStore } from '../store/request-store.ts'
import {
  type BroadcastState,
  broadcast,
  cancel,
  createBroadcastState,
  type EncodedUpdate,
  flush,
  latestOf,
  parseUpdate,
  tellPlace,
  type UpdateListener,
} from './broadcast.ts'
import type { ChannelSubscriber } from './channel-subscriber.ts'
import type { QueuePositionSource } from './queue-position-source.ts'
import { within } from './with-timeout.ts'

export type { EncodedUpdate, UpdateListener }

export interface Subscription {
  /** The newest state at the moment of watching; the listener hears only newer ones. */
  latest: EncodedUpdate
  stop(): void
}

export interface RequestWatcher {
  /** @throws AppError `request_not_found`, `request_expired`, `storage_unavailable` */
  watch(hash: string, listener: UpdateListener): Promise<Subscription>
  /** How many requests are being watched. */
  readonly size: number
  stop(): void
}

/** Data only, and small: there is one for each request that somebody watches. */
interface Entry extends BroadcastState {
  readonly hash: string
  /** How many have joined, also those who still wait for the first reading. */
  refCount: number
  ready: Promise<void>
  unwatch: (() => void) | null
  readTimer: NodeJS.Timeout | undefined
  isReading: boolean
  refreshRequested: boolean
  /** That somebody published nonsense about it. */
  invalidLogged: boolean
  leaveQueue: (() => void) | null
}

const READ_AGAIN_MS = 250
/** Nonsense in a record rarely mends itself; who mends it usually says so on the channel. */
const READ_NONSENSE_AGAIN_MS = 5000
const LONGEST_TIMER_MS = 2 ** 31 - 1

export function createRequestWatcher({
  store,
  bus,
  log,
  ttlSeconds,
  subscribeTimeoutMs,
  throttleMs = 0,
  places,
  now = Date.now,
}: {
  store: RequestStore
  bus: ChannelSubscriber
  log: Log
  ttlSeconds: number
  /** Give up when Redis does not confirm a subscription in time; left out, wait for it. */
  subscribeTimeoutMs?: number
  /** A listener hears one state in this time, the newest; the first and a final one at once. Left out, it hears all. */
  throttleMs?: number
  /** Left out, nobody is told a place in the queue. */
  places?: QueuePositionSource
  now?: () => number
}): RequestWatcher {
  const entries = new Map<string, Entry>()

  function open(hash: string): Entry {
    const entry: Entry = {
      ...createBroadcastState(),
      hash,
      refCount: 0,
      ready: Promise.resolve(),
      unwatch: null,
      readTimer: undefined,
      isReading: false,
      refreshRequested: false,
      invalidLogged: false,
      leaveQueue: null,
    }
    entry.ready = follow(entry)
    return entry
  }

  async function follow(entry: Entry): Promise<void> {
    const listener = {
      message: (json: string) => onMessage(entry, json),
      gap: () => void refresh(entry),
    }
    const unwatch = await within(subscribeTimeoutMs, bus.watch(entry.hash, listener))
    if (entry.isClosed) return unwatch()
    entry.unwatch = unwatch
    const stored = await store.read(entry.hash)
    if (!stored) throw notFoundOrExpired(entry.hash, now(), ttlSeconds)
    const update = encode(stored.record)
    if (places && update.position.status === 'pending')
      tellPlace(entry, await places.read(update.view).catch(() => null), throttleMs)
    deliver(entry, update)
  }

  function onMessage(entry: Entry, json: string): void {
    const update = parseUpdate(json)
    const isOurs = update?.position.hash === entry.hash && STATUSES.includes(update.position.status)
    if (!isOurs) logInvalidOnce(entry, json)
    if (!isOurs || (entry.latest && isRegression(entry.latest, update.position))) void refresh(entry)
    else deliver(entry, update)
  }

  function deliver(entry: Entry, update: EncodedUpdate): void {
    const { latest: before } = entry
    const { position } = update
    // Also a reading may be overtaken by a message; what it found will be heard of.
    if (entry.isClosed || (before && (isRegression(before, position) || !isNewer(position, before)))) return
    if (position.expires_at !== before?.expires_at) scheduleRefresh(entry, Date.parse(position.expires_at))
    entry.leaveQueue?.()
    entry.leaveQueue = position.status === 'pending' ? followPlace(entry, update.view) : null
    broadcast(entry, update, throttleMs)
  }

  const followPlace = (entry: Entry, view: PublicView) =>
    places?.follow(view, (place) => tellPlace(entry, place, throttleMs)) ?? null

  const encode = (record: RequestRecord): EncodedUpdate =>
    parseUpdate(encodeView(toPublicView(record, now()))) as EncodedUpdate

  function logInvalidOnce(entry: Entry, json: string): void {
    if (entry.invalidLogged || parseForeignRecord(json)) return
    entry.invalidLogged = true
    log.warn(
      { hash: entry.hash, kind: describeInvalid(json) },
      'another program published nonsense about a request',
    )
  }

  function onGone(entry: Entry): void {
    if (entry.isClosed) return
    flush(entry)
    const listeners = [...entry.listeners.keys()]
    close(entry)
    for (const listener of listeners) listener.expired()
  }

  function scheduleRefresh(entry: Entry, at: number): void {
    clearTimeout(entry.readTimer)
    if (entry.isClosed) return
    const restMs = Math.min(Math.max(0, at - now()) + 5, LONGEST_TIMER_MS)
    entry.readTimer = setTimeout(refresh, restMs, entry).unref()
  }

  /** One reading at a time: what asks meanwhile is answered by one more. */
  async function refresh(entry: Entry): Promise<void> {
    entry.refreshRequested = true
    if (entry.isReading) return
    entry.isReading = true
    while (entry.refreshRequested && !entry.isClosed) {
      entry.refreshRequested = false
      await readAndDeliver(entry)
    }
    entry.isReading = false
  }

  async function readAndDeliver(entry: Entry): Promise<void> {
    const { hash } = entry
    try {
      const stored = await store.read(hash, latestOf(entry)?.view)
      if (entry.isClosed) return
      if (!stored) return onGone(entry)
      deliver(entry, encode(stored.record))
      // Redis may drop the key a moment after its time.
      scheduleRefresh(entry, Math.max(Date.parse(stored.record.expires_at), now() + READ_AGAIN_MS))
    } catch (error) {
      log.debug({ err: error, hash }, 'could not read a watched request, trying again')
      const unreadable = isUnreadable(error)
      if (unreadable && entry.latest && now() >= Date.parse(entry.latest.expires_at)) return onGone(entry)
      scheduleRefresh(entry, now() + (unreadable ? READ_NONSENSE_AGAIN_MS : READ_AGAIN_MS))
    }
  }

  function close(entry: Entry): void {
    entry.isClosed = true
    clearTimeout(entry.readTimer)
    cancel(entry)
    entry.leaveQueue?.()
    entry.unwatch?.()
    if (entries.get(entry.hash) === entry) entries.delete(entry.hash)
  }

  function leave(entry: Entry): void {
    entry.refCount--
    if (entry.refCount === 0) close(entry)
  }

  return {
    async watch(hash, listener) {
      const entry = entries.get(hash) ?? open(hash)
      entries.set(hash, entry)
      entry.refCount++
      try {
        await entry.ready
      } catch (error) {
        leave(entry)
        throw error
      }
      const latest = latestOf(entry)
      if (!latest) {
        leave(entry)
        throw notFoundOrExpired(hash, now(), ttlSeconds)
      }
      entry.listeners.set(listener, latest.json)
      return {
        latest,
        stop() {
          if (entry.listeners.delete(listener)) leave(entry)
        },
      }
    },
    get size() {
      return entries.size
    },
    stop() {
      for (const entry of entries.values()) close(entry)
    },
  }
}
