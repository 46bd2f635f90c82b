/** The "SMS inbox" of every number: codes are stored here, no SMS is sent. */
import { createExpiringMap } from './expiring-map.ts'

/** As in the inbox's JSON; `sent_at` is UTC ISO 8601. */
interface Sms {
  code: string
  text: string
  sent_at: string
}

export interface Inbox {
  send(mobile: string, code: string): void
  /** Newest first. */
  messages(mobile: string): Sms[]
}

const LIFE_MS = 5 * 60_000
const MAX_NUMBERS = 10_000
const MAX_MESSAGES = 10

/** @param site the host name of the pages on which the codes are typed */
export function createInbox(now: () => number, site: string): Inbox {
  const numbers = createExpiringMap<Sms[]>({ lifeMs: LIFE_MS, maxEntries: MAX_NUMBERS, now })

  const messages = (mobile: string): Sms[] =>
    (numbers.get(mobile) ?? []).filter(({ sent_at }) => Date.parse(sent_at) + LIFE_MS > now())

  return {
    messages,
    send(mobile, code) {
      // The last line lets a browser put the code into the page of that site (WebOTP).
      const text = `DEMO portal: your code is ${code}. It is valid for 2 minutes.\n\n@${site} #${code}`
      const sms = { code, text, sent_at: new Date(now()).toISOString() }
      numbers.set(mobile, [sms, ...messages(mobile)].slice(0, MAX_MESSAGES))
    },
  }
}
