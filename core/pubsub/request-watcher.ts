/**
 * Follows requests live: for pages, event streams, long polls, workers and bots. There is one entry per request, however
 * many listen. Each listener receives every state newer than the one it started with, and the end.
 *
 * The order makes it gapless: join, subscribe, read, answer. A message published before the read is covered by the read,
 * one published after it is received. After a reconnect the record is read again, and at `expires_at` it is looked up. A
 * foreign message, and a regression, is never delivered: it only triggers a read.
 */
import { isUnreadable } from '../domain/errors.ts'
import { compare, isFinal, type RequestRecord, STATUSES, toPublicView } from '../domain/record.ts'
import { notFoundOrExpired } from '../domain/request-id.ts'
import { encodeView } from '../records/codec.ts'
import { describeInvalid, parseForeignRecord } from '../records/foreign-record.ts'
import type { Log } from '../runtime/log.ts'
import type { RequestStore } from '../store/request-store.ts'
import {
  type BroadcastState,
  broadcast,
  broadcastPosition,
  cancelBroadcast,
  createBroadcastState,
  type EncodedUpdate,
  flush,
  latestOf,
  parseUpdate,
  type UpdateListener,
} from './broadcast.ts'
import type { ChannelSubscriber } from './channel-subscriber.ts'
import type { QueuePositionSource } from './queue-position-source.ts'
import { withTimeout } from './with-timeout.ts'

export type { EncodedUpdate, UpdateListener }

export interface Subscription {
  /** The newest state at the moment of watching; the listener receives only newer ones. */
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

/** Plain data, and small: there is one per watched request. */
interface Entry extends BroadcastState {
  readonly hash: string
  refCount: number
  ready: Promise<void>
  unsubscribe: (() => void) | null
  readTimer: NodeJS.Timeout | undefined
  isReading: boolean
  refreshRequested: boolean
  invalidLogged: boolean
  leaveQueue: (() => void) | null
}

const RETRY_READ_MS = 250
/** An invalid record rarely repairs itself. */
const RETRY_INVALID_MS = 5000
const MAX_TIMER_MS = 2 ** 31 - 1

interface Options {
  store: RequestStore
  channels: ChannelSubscriber
  log: Log
  ttlSeconds: number
  /** Fail when Redis does not confirm a subscription in time. Without it, wait. */
  subscribeTimeoutMs?: number
  /** A listener receives at most one state in this time, the newest; the first and a final one immediately. Default: all. */
  throttleMs?: number
  /** Without it, no queue positions are delivered. */
  queuePositions?: QueuePositionSource
  now?: () => number
}

type Context = Options & { entries: Map<string, Entry>; throttleMs: number; now: () => number }

export function createRequestWatcher(options: Options): RequestWatcher {
  const { throttleMs = 0, now = Date.now, ttlSeconds } = options
  const entries = new Map<string, Entry>()
  const context: Context = { ...options, throttleMs, now, entries }
  return {
    async watch(hash, listener) {
      const entry = entries.get(hash) ?? open(context, hash)
      entries.set(hash, entry)
      entry.refCount++
      try {
        await entry.ready
      } catch (error) {
        leave(context, entry)
        throw error
      }
      const latest = latestOf(entry)
      if (!latest) {
        leave(context, entry)
        throw notFoundOrExpired(hash, now(), ttlSeconds)
      }
      entry.listeners.set(listener, latest.json)
      return {
        latest,
        stop() {
          if (entry.listeners.delete(listener)) leave(context, entry)
        },
      }
    },
    get size() {
      return entries.size
    },
    stop() {
      for (const entry of entries.values()) close(context, entry)
    },
  }
}

function open(context: Context, hash: string): Entry {
  const entry: Entry = {
    ...createBroadcastState(),
    hash,
    refCount: 0,
    ready: Promise.resolve(),
    unsubscribe: null,
    readTimer: undefined,
    isReading: false,
    refreshRequested: false,
    invalidLogged: false,
    leaveQueue: null,
  }
  entry.ready = follow(context, entry)
  return entry
}

async function follow(context: Context, entry: Entry): Promise<void> {
  const { store, channels, subscribeTimeoutMs, queuePositions, throttleMs, now } = context
  const listener = {
    onMessage: (json: string) => onMessage(context, entry, json),
    onGap: () => void refresh(context, entry),
  }
  const unsubscribe = await withTimeout(subscribeTimeoutMs, channels.subscribe(entry.hash, listener))
  if (entry.isClosed) return unsubscribe()
  entry.unsubscribe = unsubscribe
  const update = encode((await store.get(entry.hash)).record, now())
  if (queuePositions && update.position.status === 'pending')
    broadcastPosition(entry, await queuePositions.read(update.view).catch(() => null), throttleMs)
  deliver(context, entry, update)
}

function onMessage(context: Context, entry: Entry, json: string): void {
  const update = parseUpdate(json)
  if (!update || update.position.hash !== entry.hash || !STATUSES.includes(update.position.status)) {
    logInvalidOnce(context, entry, json)
    return void refresh(context, entry)
  }
  const { latest } = entry
  // After the end was shown, only a fail-over that lost it brings an unfinished state.
  if (latest && isFinal(latest.status) && !isFinal(update.position.status)) return
  if (latest && compare(latest, update.position) === 'regression') void refresh(context, entry)
  else deliver(context, entry, update)
}

function deliver(context: Context, entry: Entry, update: EncodedUpdate): void {
  const { queuePositions, throttleMs, now } = context
  const { latest: before } = entry
  const { position } = update
  // A read may be overtaken by a message.
  if (entry.isClosed || (before && compare(before, position) !== 'newer')) return
  if (position.expires_at !== before?.expires_at)
    scheduleRefresh(context, entry, Date.parse(position.expires_at) - now())
  entry.leaveQueue?.()
  entry.leaveQueue =
    (position.status === 'pending' &&
      queuePositions?.follow(update.view, (queuePosition) =>
        broadcastPosition(entry, queuePosition, throttleMs),
      )) ||
    null
  broadcast(entry, update, throttleMs)
}

const encode = (record: RequestRecord, now: number): EncodedUpdate =>
  parseUpdate(encodeView(toPublicView(record, now))) as EncodedUpdate

function logInvalidOnce({ log }: Context, entry: Entry, json: string): void {
  if (entry.invalidLogged || parseForeignRecord(json)) return
  entry.invalidLogged = true
  log.warn({ hash: entry.hash, kind: describeInvalid(json) }, 'another program published an invalid message')
}

function scheduleRefresh(context: Context, entry: Entry, inMs: number): void {
  clearTimeout(entry.readTimer)
  if (entry.isClosed) return
  const delayMs = Math.min(Math.max(0, inMs) + 5, MAX_TIMER_MS)
  entry.readTimer = setTimeout(refresh, delayMs, context, entry).unref()
}

/** One read at a time; requests for a read during it are answered by one more. */
async function refresh(context: Context, entry: Entry): Promise<void> {
  entry.refreshRequested = true
  if (entry.isReading) return
  entry.isReading = true
  while (entry.refreshRequested && !entry.isClosed) {
    entry.refreshRequested = false
    await readAndDeliver(context, entry)
  }
  entry.isReading = false
}

async function readAndDeliver(context: Context, entry: Entry): Promise<void> {
  const { store, log, now } = context
  const { hash } = entry
  try {
    const stored = await store.read(hash, entry.latest)
    if (entry.isClosed) return
    if (!stored) return onExpired(context, entry)
    deliver(context, entry, encode(stored.record, now()))
    // Redis may delete the key a moment after its time.
    scheduleRefresh(context, entry, Math.max(Date.parse(stored.record.expires_at) - now(), RETRY_READ_MS))
  } catch (error) {
    log.debug({ err: error, hash }, 'could not read a watched request, trying again')
    const isInvalid = isUnreadable(error)
    if (isInvalid && entry.latest && now() >= Date.parse(entry.latest.expires_at))
      return onExpired(context, entry)
    scheduleRefresh(context, entry, isInvalid ? RETRY_INVALID_MS : RETRY_READ_MS)
  }
}

function onExpired(context: Context, entry: Entry): void {
  if (entry.isClosed) return
  flush(entry)
  const listeners = [...entry.listeners.keys()]
  close(context, entry)
  for (const listener of listeners) listener.onExpired()
}

function close({ entries }: Context, entry: Entry): void {
  entry.isClosed = true
  clearTimeout(entry.readTimer)
  cancelBroadcast(entry)
  entry.leaveQueue?.()
  entry.unsubscribe?.()
  if (entries.get(entry.hash) === entry) entries.delete(entry.hash)
}

function leave(context: Context, entry: Entry): void {
  entry.refCount--
  if (entry.refCount === 0) close(context, entry)
}
