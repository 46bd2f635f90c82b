/**
 * Requests as they move: what pages, streams, long polls, workers and bots follow. One entry a request however many
 * watch it; each listener hears every state that is newer than the one it was given, and the end.
 *
 * The order is the point: join, subscribe, read, answer. What is published between subscribing and reading is heard,
 * what was published before is read. After a pause of the connection the record is read again; at `expires_at` it is
 * looked for; a foreign program's message, and one that takes something back, is only taken as a hint to read.
 */
import { AppError } from '../errors.ts'
import { kindOfNonsense, parseForeignRecord } from '../foreign-record.ts'
import { createdAt } from '../hash.ts'
import type { Log } from '../log.ts'
import { goesBack } from '../merge-record.ts'
import { isFinal, isNewer, type PublicView, publicView, STATUSES } from '../record.ts'
import { sealView, unsealView } from '../seal.ts'
import { createPace } from './pace.ts'
import type { RequestStore } from './request-store.ts'
import type { UpdateBus } from './update-bus.ts'

/** A view and its JSON, encoded once for everybody. */
export interface LiveUpdate {
  view: PublicView
  json: string
}

export interface LiveListener {
  update(update: LiveUpdate): void
  /** The request is gone; nothing follows. */
  expired(): void
}

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

interface Entry {
  /** Each with what it heard last. */
  listeners: Map<LiveListener, LiveUpdate>
  /** How many have joined, also those who still wait for the first reading. */
  joined: number
  latest: LiveUpdate | null
  ready: Promise<void>
  close(): void
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
  now?: () => number
}): LiveRequests {
  const entries = new Map<string, Entry>()

  function openEntry(hash: string): Entry {
    let unwatch: (() => void) | null = null
    let timer: NodeJS.Timeout | undefined
    let closed = false
    let noted = false
    let reading = false
    let askedAgain = false

    const tell = (): void => {
      const { latest } = entry
      for (const [listener, heard] of entry.listeners) {
        if (!latest || heard === latest) continue
        entry.listeners.set(listener, latest)
        listener.update(latest)
      }
    }
    const pace = createPace(mergeMs, tell)
    const deliver = (update: LiveUpdate): void => {
      const before = entry.latest?.view
      // Also a reading may be overtaken by a message; what it found will be heard of.
      if (closed || (before && (goesBack(before, update.view) || !isNewer(update.view, before)))) return
      entry.latest = update
      if (update.view.expires_at !== before?.expires_at) readAt(Date.parse(update.view.expires_at))
      if (entry.listeners.size === 0) return
      if (isFinal(update.view.status)) pace.now()
      else pace.next()
    }
    const hear = (json: string): void => {
      const view = unsealView(json)
      const isOurs = view?.hash === hash && STATUSES.includes(view.status)
      if (!isOurs) noteNonsense(json)
      if (!isOurs || (entry.latest && goesBack(entry.latest.view, view))) void readAgain()
      else deliver({ view, json })
    }
    const noteNonsense = (json: string): void => {
      if (noted || parseForeignRecord(json)) return
      noted = true
      log.warn({ hash, kind: kindOfNonsense(json) }, 'another program published nonsense about a request')
    }
    const gone = (): void => {
      if (closed) return
      tell()
      const listeners = [...entry.listeners.keys()]
      entry.close()
      for (const listener of listeners) listener.expired()
    }
    const readAt = (at: number): void => {
      clearTimeout(timer)
      if (closed) return
      timer = setTimeout(() => void readAgain(), Math.min(Math.max(0, at - now()) + 5, LONGEST_TIMER_MS))
      timer.unref()
    }
    /** One reading at a time: what asks meanwhile is answered by one more. */
    const readAgain = async (): Promise<void> => {
      askedAgain = true
      if (reading) return
      reading = true
      while (askedAgain && !closed) {
        askedAgain = false
        await readOnce()
      }
      reading = false
    }
    const readOnce = async (): Promise<void> => {
      try {
        const stored = await store.read(hash, entry.latest?.view)
        if (closed) return
        if (!stored) return gone()
        deliver(encode(publicView(stored.record, now())))
        // Redis may drop the key a moment after its time.
        readAt(Math.max(Date.parse(stored.record.expires_at), now() + READ_AGAIN_MS))
      } catch (error) {
        log.debug({ err: error, hash }, 'could not read a watched request, trying again')
        const isUnreadable = error instanceof AppError && error.code === 'unreadable_record'
        if (isUnreadable && entry.latest && now() >= Date.parse(entry.latest.view.expires_at)) return gone()
        readAt(now() + (isUnreadable ? READ_NONSENSE_AGAIN_MS : READ_AGAIN_MS))
      }
    }

    const entry: Entry = {
      listeners: new Map(),
      joined: 0,
      latest: null,
      ready: (async () => {
        const listener = { message: hear, gap: () => void readAgain() }
        unwatch = await within(subscribeWithinMs, bus.watch(hash, listener))
        if (closed) return unwatch()
        const stored = await store.read(hash)
        if (!stored) throw missing(hash, now(), ttlSeconds)
        deliver(encode(publicView(stored.record, now())))
      })(),
      close() {
        closed = true
        clearTimeout(timer)
        pace.stop()
        unwatch?.()
        if (entries.get(hash) === entry) entries.delete(hash)
      },
    }
    return entry
  }

  const leave = (entry: Entry): void => {
    entry.joined--
    if (entry.joined === 0) entry.close()
  }

  return {
    async watch(hash, listener) {
      const entry = entries.get(hash) ?? openEntry(hash)
      entries.set(hash, entry)
      entry.joined++
      try {
        await entry.ready
      } catch (error) {
        leave(entry)
        throw error
      }
      if (!entry.latest) {
        leave(entry)
        throw missing(hash, now(), ttlSeconds)
      }
      entry.listeners.set(listener, entry.latest)
      return {
        latest: entry.latest,
        stop() {
          if (entry.listeners.delete(listener)) leave(entry)
        },
      }
    },
    get size() {
      return entries.size
    },
    stop() {
      for (const entry of entries.values()) entry.close()
    },
  }
}

export const encode = (view: PublicView): LiveUpdate => ({ view, json: sealView(view) })

/** 410 for what was, 404 for what never was: the hash knows when it was made. */
export function missing(hash: string, now: number, ttlSeconds: number): AppError {
  const made = createdAt(hash, now)
  const expired = made !== null && now >= made + ttlSeconds * 1000
  return new AppError(expired ? 'request_expired' : 'request_not_found')
}

async function within<T extends () => void>(limitMs: number | undefined, work: Promise<T>): Promise<T> {
  if (limitMs === undefined) return work
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new AppError('storage_unavailable')), limitMs)
  })
  try {
    return await Promise.race([work, late])
  } catch (error) {
    // Nobody waits for it any more: leave again once it is there.
    work.then((stop) => stop()).catch(() => {})
    throw error instanceof AppError ? error : new AppError('storage_unavailable', { cause: error })
  } finally {
    clearTimeout(timer)
  }
}
