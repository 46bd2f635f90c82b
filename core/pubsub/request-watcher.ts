/**
 * Requests as they move: what pages, streams, long polls, workers and bots follow. One entry a request however many
 * watch it; each listener hears every state that is newer than the one it was given, and the end.
 *
 * The order is the point: join, subscribe, read, answer. What is published between subscribing and reading is heard,
 * what was published before is read. After a pause of the connection the record is read again; at `expires_at` it is
 * looked for; a foreign program's message, and one that takes something back, is only taken as a hint to read.
 */
import { isUnreadable } from '../domain/errors.ts'
import { isNewer, type PublicView, publicView, type RequestRecord, STATUSES } from '../domain/record.ts'
import { missing } from '../domain/request-id.ts'
import { sealView } from '../records/codec.ts'
import { kindOfNonsense, parseForeignRecord } from '../records/foreign-record.ts'
import { goesBack } from '../records/reconcile.ts'
import type { Log } from '../runtime/log.ts'
import type { RequestStore } from '../store/request-store.ts'
import {
  type LiveListener,
  type LiveUpdate,
  latestOf,
  nothingTold,
  readUpdate,
  stopTelling,
  type Told,
  tell,
  tellNow,
  tellPlace,
} from './broadcast.ts'
import type { UpdateBus } from './channel-subscriber.ts'
import type { QueuePositionSource } from './queue-position-source.ts'
import { within } from './with-timeout.ts'

export type { LiveListener, LiveUpdate }

export interface Watch {
  /** The newest state at the moment of watching; the listener hears only newer ones. */
  latest: LiveUpdate
  stop(): void
}

export interface LiveRequests {
  /** @throws AppError `request_not_found`, `request_expired`, `storage_unavailable` */
  watch(hash: string, listener: LiveListener): Promise<Watch>
  /** How many requests are being watched. */
  readonly size: number
  stop(): void
}

/** Data only, and small: there is one for each request that somebody watches. */
interface Entry extends Told {
  readonly hash: string
  /** How many have joined, also those who still wait for the first reading. */
  joined: number
  ready: Promise<void>
  unwatch: (() => void) | null
  readTimer: NodeJS.Timeout | undefined
  isReading: boolean
  isAskedAgain: boolean
  /** That somebody published nonsense about it. */
  isNoted: boolean
  leaveQueue: (() => void) | null
}

const READ_AGAIN_MS = 250
/** Nonsense in a record rarely mends itself; who mends it usually says so on the channel. */
const READ_NONSENSE_AGAIN_MS = 5000
const LONGEST_TIMER_MS = 2 ** 31 - 1

export function createLiveRequests({
  store,
  bus,
  log,
  ttlSeconds,
  subscribeWithinMs,
  mergeMs = 0,
  places,
  now = Date.now,
}: {
  store: RequestStore
  bus: UpdateBus
  log: Log
  ttlSeconds: number
  /** Give up when Redis does not confirm a subscription in time; left out, wait for it. */
  subscribeWithinMs?: number
  /** A listener hears one state in this time, the newest; the first and a final one at once. Left out, it hears all. */
  mergeMs?: number
  /** Left out, nobody is told a place in the queue. */
  places?: QueuePositionSource
  now?: () => number
}): LiveRequests {
  const entries = new Map<string, Entry>()

  function open(hash: string): Entry {
    const entry: Entry = {
      ...nothingTold(),
      hash,
      joined: 0,
      ready: Promise.resolve(),
      unwatch: null,
      readTimer: undefined,
      isReading: false,
      isAskedAgain: false,
      isNoted: false,
      leaveQueue: null,
    }
    entry.ready = follow(entry)
    return entry
  }

  async function follow(entry: Entry): Promise<void> {
    const listener = {
      message: (json: string) => hear(entry, json),
      gap: () => void readAgain(entry),
    }
    const unwatch = await within(subscribeWithinMs, bus.watch(entry.hash, listener))
    if (entry.isClosed) return unwatch()
    entry.unwatch = unwatch
    const stored = await store.read(entry.hash)
    if (!stored) throw missing(entry.hash, now(), ttlSeconds)
    const update = encode(stored.record)
    if (places && update.position.status === 'pending')
      tellPlace(entry, await places.read(update.view).catch(() => null), mergeMs)
    deliver(entry, update)
  }

  function hear(entry: Entry, json: string): void {
    const update = readUpdate(json)
    const isOurs = update?.position.hash === entry.hash && STATUSES.includes(update.position.status)
    if (!isOurs) noteNonsense(entry, json)
    if (!isOurs || (entry.latest && goesBack(entry.latest, update.position))) void readAgain(entry)
    else deliver(entry, update)
  }

  function deliver(entry: Entry, update: LiveUpdate): void {
    const { latest: before } = entry
    const { position } = update
    // Also a reading may be overtaken by a message; what it found will be heard of.
    if (entry.isClosed || (before && (goesBack(before, position) || !isNewer(position, before)))) return
    if (position.expires_at !== before?.expires_at) readAt(entry, Date.parse(position.expires_at))
    entry.leaveQueue?.()
    entry.leaveQueue = position.status === 'pending' ? followPlace(entry, update.view) : null
    tell(entry, update, mergeMs)
  }

  const followPlace = (entry: Entry, view: PublicView) =>
    places?.follow(view, (place) => tellPlace(entry, place, mergeMs)) ?? null

  const encode = (record: RequestRecord): LiveUpdate =>
    readUpdate(sealView(publicView(record, now()))) as LiveUpdate

  function noteNonsense(entry: Entry, json: string): void {
    if (entry.isNoted || parseForeignRecord(json)) return
    entry.isNoted = true
    log.warn(
      { hash: entry.hash, kind: kindOfNonsense(json) },
      'another program published nonsense about a request',
    )
  }

  function gone(entry: Entry): void {
    if (entry.isClosed) return
    tellNow(entry)
    const listeners = [...entry.listeners.keys()]
    close(entry)
    for (const listener of listeners) listener.expired()
  }

  function readAt(entry: Entry, at: number): void {
    clearTimeout(entry.readTimer)
    if (entry.isClosed) return
    const restMs = Math.min(Math.max(0, at - now()) + 5, LONGEST_TIMER_MS)
    entry.readTimer = setTimeout(readAgain, restMs, entry).unref()
  }

  /** One reading at a time: what asks meanwhile is answered by one more. */
  async function readAgain(entry: Entry): Promise<void> {
    entry.isAskedAgain = true
    if (entry.isReading) return
    entry.isReading = true
    while (entry.isAskedAgain && !entry.isClosed) {
      entry.isAskedAgain = false
      await readOnce(entry)
    }
    entry.isReading = false
  }

  async function readOnce(entry: Entry): Promise<void> {
    const { hash } = entry
    try {
      const stored = await store.read(hash, latestOf(entry)?.view)
      if (entry.isClosed) return
      if (!stored) return gone(entry)
      deliver(entry, encode(stored.record))
      // Redis may drop the key a moment after its time.
      readAt(entry, Math.max(Date.parse(stored.record.expires_at), now() + READ_AGAIN_MS))
    } catch (error) {
      log.debug({ err: error, hash }, 'could not read a watched request, trying again')
      const unreadable = isUnreadable(error)
      if (unreadable && entry.latest && now() >= Date.parse(entry.latest.expires_at)) return gone(entry)
      readAt(entry, now() + (unreadable ? READ_NONSENSE_AGAIN_MS : READ_AGAIN_MS))
    }
  }

  function close(entry: Entry): void {
    entry.isClosed = true
    clearTimeout(entry.readTimer)
    stopTelling(entry)
    entry.leaveQueue?.()
    entry.unwatch?.()
    if (entries.get(entry.hash) === entry) entries.delete(entry.hash)
  }

  function leave(entry: Entry): void {
    entry.joined--
    if (entry.joined === 0) close(entry)
  }

  return {
    async watch(hash, listener) {
      const entry = entries.get(hash) ?? open(hash)
      entries.set(hash, entry)
      entry.joined++
      try {
        await entry.ready
      } catch (error) {
        leave(entry)
        throw error
      }
      const latest = latestOf(entry)
      if (!latest) {
        leave(entry)
        throw missing(hash, now(), ttlSeconds)
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
