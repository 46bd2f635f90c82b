/**
 * What handlers left behind when they answered that a code was sent, by request hash: until they are called again,
 * the request has ended, or its time here is over. In memory only, and not too many: whose is gone begins anew.
 */
import { isUnavailable } from '../../core/store/retry-unavailable.ts'
import type { Updater } from '../updater.ts'
import type { SmsSent } from './sms-sent.ts'

export interface PendingOtpSessions {
  /** Resolves once the request is followed; takes the place of what was kept for it. */
  keep(hash: string, sent: SmsSent): Promise<void>
  /** Hands it out, once. */
  take(hash: string): SmsSent | undefined
  readonly size: number
  stop(): void
}

interface Entry {
  sent: SmsSent
  over: NodeJS.Timeout
  unfollow: () => void
}

const LIFE_MS = 10 * 60_000
const MOST = 1000

/** The end of the request counts here, not the take-over by another attempt: that one may go on with the session. */
const anyAttempt = (): number => Number.POSITIVE_INFINITY

export function createAwaitedCodes({
  updater,
  lifeMs = LIFE_MS,
  most = MOST,
}: {
  updater: Pick<Updater, 'onEnd'>
  lifeMs?: number
  most?: number
}): PendingOtpSessions {
  const entries = new Map<string, Entry>()

  function drop(hash: string): SmsSent | undefined {
    const entry = entries.get(hash)
    if (!entry) return undefined
    entries.delete(hash)
    clearTimeout(entry.over)
    entry.unfollow()
    return entry.sent
  }

  return {
    async keep(hash, sent) {
      drop(hash)
      const entry: Entry = {
        sent,
        over: setTimeout(() => drop(hash), lifeMs).unref(),
        unfollow: () => {},
      }
      entries.set(hash, entry)
      if (entries.size > most) drop(entries.keys().next().value as string)
      try {
        const unfollow = await updater.onEnd(hash, anyAttempt, () => {
          if (entries.get(hash) === entry) drop(hash)
        })
        if (entries.get(hash) === entry) entry.unfollow = unfollow
        else unfollow()
      } catch (error) {
        // The person has the code: while Redis refuses to follow the request only its time here ends it.
        if (isUnavailable(error)) return
        if (entries.get(hash) === entry) drop(hash)
        throw error
      }
    },
    take: drop,
    get size() {
      return entries.size
    },
    stop() {
      for (const hash of [...entries.keys()]) drop(hash)
    },
  }
}
