/**
 * Follows requests live: for pages, event streams, long polls, workers and bots. However many listen to a request, it is
 * followed once. Each listener receives every state newer than the one it started with, and the end.
 *
 * The order makes it gapless: join, subscribe, read, answer.
 */
import type { RequestRecord } from '../domain/record.ts'
import { type EncodedUpdate, latestOf, type UpdateListener } from './broadcast.ts'
import {
  close,
  DONE,
  deliver,
  encode,
  LOOK_THROUGH_MS,
  leave,
  open,
  readFirst,
  scheduleDue,
  type WatchContext,
  type WatchedRequest,
  type WatchOptions,
} from './watched-request.ts'

export type { EncodedUpdate, UpdateListener }

export interface Subscription {
  /** The newest state at the moment of watching; the listener receives only newer ones. */
  latest: EncodedUpdate
  stop(): void
}

/** A subscription from before the first read. */
export interface EarlySubscription {
  /**
   * @param written the record as the caller has written it since `subscribe` resolved, in place of a read
   * @throws AppError `request_not_found`, `request_expired`, `storage_unavailable`
   */
  watch(listener: UpdateListener, written?: RequestRecord): Promise<Subscription>
  stop(): void
}

export interface RequestWatcher {
  /** @throws AppError `request_not_found`, `request_expired`, `storage_unavailable` */
  watch(hash: string, listener: UpdateListener): Promise<Subscription>
  /** How many requests are being watched. */
  readonly size: number
  stop(): void
}

export interface WriterWatcher extends RequestWatcher {
  /** For a caller that writes next. @throws AppError `storage_unavailable` */
  subscribe(hash: string): Promise<EarlySubscription>
}

export function createRequestWatcher(options: WatchOptions): WriterWatcher {
  const { throttleMs = 0, now = Date.now } = options
  const entries = new Map<string, WatchedRequest>()
  const context: WatchContext = { ...options, throttleMs, now, entries }
  const timer = setInterval(scheduleDue, LOOK_THROUGH_MS, context).unref()

  async function subscribe(hash: string): Promise<EarlySubscription> {
    const entry = entries.get(hash) ?? open(context, hash)
    entries.set(hash, entry)
    const stop = hold(context, entry)
    try {
      await entry.subscribed
    } catch (error) {
      stop()
      throw error
    }
    return { stop, watch: (listener, written) => listen(context, entry, listener, written) }
  }

  return {
    subscribe,
    async watch(hash, listener) {
      const subscription = await subscribe(hash)
      try {
        return await subscription.watch(listener)
      } finally {
        subscription.stop()
      }
    },
    get size() {
      return entries.size
    },
    stop() {
      clearInterval(timer)
      for (const entry of entries.values()) close(context, entry)
    },
  }
}

async function listen(
  context: WatchContext,
  entry: WatchedRequest,
  listener: UpdateListener,
  written: RequestRecord | undefined,
): Promise<Subscription> {
  if (written) deliver(context, entry, encode(written, context.now()))
  else if (entry.latest && context.channels.mayLag) await readFirst(context, entry)
  else await read(context, entry)
  const latest = latestOf(entry)
  if (!latest || entry.isClosed) throw await context.store.whyMissing(entry.hash)
  entry.refCount++
  entry.listeners.set(listener, latest.json)
  return {
    latest,
    stop() {
      if (entry.listeners.delete(listener)) leave(context, entry)
    },
  }
}

/** One read for all who join before it ends. */
async function read(context: WatchContext, entry: WatchedRequest): Promise<void> {
  entry.ready ??= readFirst(context, entry)
  try {
    await entry.ready
    entry.ready = DONE
  } catch (error) {
    entry.ready = null
    throw error
  }
}

/** Keeps the subscription. @returns gives it back, once */
function hold(context: WatchContext, entry: WatchedRequest): () => void {
  let isHeld = true
  entry.refCount++
  return () => {
    if (isHeld) leave(context, entry)
    isHeld = false
  }
}
