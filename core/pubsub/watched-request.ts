/**
 * A request that is followed: its subscription, its reads, its newest state. A message published before the first read is
 * covered by the read, one published after it is received. After a reconnect the record is read again, and at `expires_at`
 * it is looked up. A foreign message, and a regression, is never delivered: it only triggers a read.
 */
import { isUnreadable } from '../domain/errors.ts'
import { compare, isFinal, type RequestRecord, STATUSES, toPublicView } from '../domain/record.ts'
import { shortReference } from '../domain/short-reference.ts'
import { encodeView } from '../records/codec.ts'
import { describeInvalid, parseForeignRecord } from '../records/foreign-record.ts'
import type { Log } from '../runtime/log.ts'
import { HINT } from '../store/publish-hint.ts'
import type { RequestStore } from '../store/request-store.ts'
import {
  type BroadcastState,
  broadcast,
  broadcastWaiting,
  cancelBroadcast,
  type EncodedUpdate,
  flush,
  parseUpdate,
} from './broadcast.ts'
import type { ChannelSubscriber } from './channel-subscriber.ts'
import type { QueuePositionSource } from './queue-position-source.ts'
import { withTimeout } from './with-timeout.ts'

/** Plain data, and small: there is one per watched request. */
export interface WatchedRequest extends BroadcastState {
  readonly hash: string
  refCount: number
  subscribed: Promise<void>
  /** The first read; null while nothing has asked for it. */
  ready: Promise<void> | null
  unsubscribe: (() => void) | null
  readTimer: NodeJS.Timeout | undefined
  /** When it is read next, if that has no timer; milliseconds since 1970. */
  readAt: number
  isReading: boolean
  refreshRequested: boolean
  invalidLogged: boolean
  leaveQueue: (() => void) | null
}

const RETRY_READ_MS = 250
/** An invalid record rarely repairs itself. */
const RETRY_INVALID_MS = 5000
/** Takes the place of promises that have resolved, of which there would be some for each request. */
export const DONE = Promise.resolve()

/** A read that is due later has no timer of its own, which would take memory for half an hour. */
const OWN_TIMER_MS = 10_000
/** How often those are looked through. */
export const LOOK_THROUGH_MS = 5_000

export interface WatchOptions {
  store: RequestStore
  channels: ChannelSubscriber
  log: Log
  /** Fail when Redis does not confirm a subscription in time. Without it, wait. */
  subscribeTimeoutMs?: number
  /** A listener receives at most one state in this time, the newest; the first and a final one immediately. Default: all. */
  throttleMs?: number
  /** Without it, no queue positions are delivered. */
  queuePositions?: QueuePositionSource
  now?: () => number
}

export type WatchContext = WatchOptions & {
  entries: Map<string, WatchedRequest>
  throttleMs: number
  now: () => number
}

export function open(context: WatchContext, hash: string): WatchedRequest {
  // Without a spread, so that all have one hidden class.
  const entry: WatchedRequest = {
    listeners: new Map(),
    latest: null,
    json: '',
    waiting: null,
    isEstimateNewer: false,
    sentAt: Number.NEGATIVE_INFINITY,
    timer: undefined,
    isClosed: false,
    hash,
    refCount: 0,
    subscribed: Promise.resolve(),
    ready: null,
    unsubscribe: null,
    readTimer: undefined,
    readAt: Number.POSITIVE_INFINITY,
    isReading: false,
    refreshRequested: false,
    invalidLogged: false,
    leaveQueue: null,
  }
  entry.subscribed = subscribe(context, entry)
  return entry
}

async function subscribe(context: WatchContext, entry: WatchedRequest): Promise<void> {
  const { channels, subscribeTimeoutMs } = context
  const listener = {
    onMessage: (json: string) => onMessage(context, entry, json),
    onGap: () => void refresh(context, entry),
  }
  const unsubscribe = await withTimeout(subscribeTimeoutMs, channels.subscribe(entry.hash, listener))
  if (entry.isClosed) unsubscribe()
  else entry.unsubscribe = unsubscribe
  entry.subscribed = DONE
}

export async function readFirst(context: WatchContext, entry: WatchedRequest): Promise<void> {
  const { store, queuePositions, throttleMs, now } = context
  const update = encode((await store.get(entry.hash)).record, now())
  if (queuePositions && update.position.status === 'pending')
    broadcastWaiting(entry, await queuePositions.read(update.view).catch(() => null), throttleMs)
  deliver(context, entry, update)
}

function onMessage(context: WatchContext, entry: WatchedRequest, json: string): void {
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

export function deliver(context: WatchContext, entry: WatchedRequest, update: EncodedUpdate): void {
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
      queuePositions?.follow(update.view, (waiting) => broadcastWaiting(entry, waiting, throttleMs))) ||
    null
  broadcast(entry, update, throttleMs)
}

export const encode = (record: RequestRecord, now: number): EncodedUpdate =>
  parseUpdate(encodeView(toPublicView(record, now))) as EncodedUpdate

function logInvalidOnce({ log }: WatchContext, entry: WatchedRequest, json: string): void {
  if (json === HINT || entry.invalidLogged || parseForeignRecord(json)) return
  entry.invalidLogged = true
  const request = shortReference(entry.hash)
  log.warn({ request, kind: describeInvalid(json) }, 'another program published an invalid message')
}

function scheduleRefresh(context: WatchContext, entry: WatchedRequest, inMs: number): void {
  clearTimeout(entry.readTimer)
  entry.readTimer = undefined
  entry.readAt = context.now() + inMs
  if (entry.isClosed || inMs > OWN_TIMER_MS) return
  entry.readTimer = setTimeout(refresh, Math.max(0, inMs) + 5, context, entry).unref()
}

/** Gives the reads that are due soon a timer. */
export function scheduleDue(context: WatchContext): void {
  const dueUntil = context.now() + OWN_TIMER_MS
  for (const entry of context.entries.values())
    if (!entry.readTimer && entry.readAt <= dueUntil)
      scheduleRefresh(context, entry, entry.readAt - context.now())
}

/** One read at a time; requests for a read during it are answered by one more. */
async function refresh(context: WatchContext, entry: WatchedRequest): Promise<void> {
  entry.refreshRequested = true
  if (entry.isReading) return
  entry.isReading = true
  while (entry.refreshRequested && !entry.isClosed) {
    entry.refreshRequested = false
    await readAndDeliver(context, entry)
  }
  entry.isReading = false
}

async function readAndDeliver(context: WatchContext, entry: WatchedRequest): Promise<void> {
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
    log.debug({ err: error, request: shortReference(hash) }, 'could not read a watched request, trying again')
    const isInvalid = isUnreadable(error)
    if (isInvalid && entry.latest && now() >= Date.parse(entry.latest.expires_at))
      return onExpired(context, entry)
    scheduleRefresh(context, entry, isInvalid ? RETRY_INVALID_MS : RETRY_READ_MS)
  }
}

function onExpired(context: WatchContext, entry: WatchedRequest): void {
  if (entry.isClosed) return
  flush(entry)
  const listeners = [...entry.listeners.keys()]
  close(context, entry)
  for (const listener of listeners) listener.onExpired()
}

export function close({ entries }: WatchContext, entry: WatchedRequest): void {
  entry.isClosed = true
  clearTimeout(entry.readTimer)
  cancelBroadcast(entry)
  entry.leaveQueue?.()
  entry.unsubscribe?.()
  if (entries.get(entry.hash) === entry) entries.delete(entry.hash)
}

export function leave(context: WatchContext, entry: WatchedRequest): void {
  entry.refCount--
  if (entry.refCount === 0) close(context, entry)
}
