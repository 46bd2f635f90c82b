/**
 * Sessions of handlers that answered SMS_SENT, by request hash, until the next call, the end of the request, or `lifeMs`. In
 * memory only and bounded: a request whose session is lost starts again.
 */
import { isUnavailable } from '../../core/store/storage-errors.ts'
import type { Updater } from '../updater.ts'
import type { SmsSent } from './sms-sent.ts'

export interface PendingOtpSessions {
  /** Replaces the session of the request. Resolves once the end of the request is watched. */
  set(hash: string, sent: SmsSent): Promise<void>
  /** Returns and removes it. */
  take(hash: string): SmsSent | undefined
  has(hash: string): boolean
  readonly size: number
  stop(): void
}

interface Entry {
  sent: SmsSent
  timer: NodeJS.Timeout
  unwatch: () => void
}

const LIFE_MS = 10 * 60_000
const MAX_SESSIONS = 1000

/** Only the end of the request ends the session. An attempt that takes over may resume it. */
const anyAttempt = (): number => Number.POSITIVE_INFINITY

export function createPendingOtpSessions({
  updater,
  lifeMs = LIFE_MS,
  maxSessions = MAX_SESSIONS,
}: {
  updater: Pick<Updater, 'onEnd'>
  lifeMs?: number
  maxSessions?: number
}): PendingOtpSessions {
  const entries = new Map<string, Entry>()

  function drop(hash: string): SmsSent | undefined {
    const entry = entries.get(hash)
    if (!entry) return undefined
    entries.delete(hash)
    clearTimeout(entry.timer)
    entry.unwatch()
    return entry.sent
  }

  return {
    async set(hash, sent) {
      drop(hash)
      const entry: Entry = {
        sent,
        timer: setTimeout(() => drop(hash), lifeMs).unref(),
        unwatch: () => {},
      }
      entries.set(hash, entry)
      if (entries.size > maxSessions) drop(entries.keys().next().value as string)
      try {
        const unwatch = await updater.onEnd(hash, anyAttempt, () => {
          if (entries.get(hash) === entry) drop(hash)
        })
        if (entries.get(hash) === entry) entry.unwatch = unwatch
        else unwatch()
      } catch (error) {
        // The submitter has the code. While the request cannot be watched, only the timer ends the session.
        if (isUnavailable(error)) return
        if (entries.get(hash) === entry) drop(hash)
        throw error
      }
    },
    take: drop,
    has: (hash) => entries.has(hash),
    get size() {
      return entries.size
    },
    stop() {
      for (const hash of [...entries.keys()]) drop(hash)
    },
  }
}
