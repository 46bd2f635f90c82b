/** Sessions, in memory only. A session ends after ten minutes without a request. */
import { randomBytes } from 'node:crypto'
import type { PortalCreditReport } from './credit-report.ts'
import { createExpiringMap } from './expiring-map.ts'
import type { PortalStatement } from './statement.ts'

/** Two areas: credit reports at the root, and account statements. */
export type Area = '' | 'account/'
/** The stages of a visit in their order. Each has one page, whose path is its name; a session sees only the page of its stage. */
export type Stage =
  | `${Area}${'login' | 'send-code' | 'code'}`
  | 'captcha'
  | 'confirmed'
  | 'report'
  | 'account/statement'

export interface Session {
  readonly id: string
  stage: Stage
  /** The hidden token of the page shown last; null once it was used. */
  token: string | null
  /** Shown once, on the next page. */
  notice: string | null
  /** The national code, or the account number. */
  subject: string
  mobile: string
  captchaAnswer: number | null
  code: SentCode | null
  report: PortalCreditReport | null
  statement: PortalStatement | null
}

interface SentCode {
  digits: string
  sentAtMs: number
  triesLeft: number
}

export interface Sessions {
  create(stage: `${Area}login`): Session
  /** Restarts the session's ten minutes. */
  find(id: string | undefined): Session | undefined
  end(session: Session): void
  readonly size: number
}

const LIFE_MS = 10 * 60_000
const MAX_SESSIONS = 10_000

export const newSecret = (): string => randomBytes(24).toString('base64url')

export function createSessions(now: () => number): Sessions {
  const sessions = createExpiringMap<Session>({ lifeMs: LIFE_MS, maxEntries: MAX_SESSIONS, now })
  return {
    create(stage) {
      const session: Session = {
        id: newSecret(),
        stage,
        token: null,
        notice: null,
        subject: '',
        mobile: '',
        captchaAnswer: null,
        code: null,
        report: null,
        statement: null,
      }
      sessions.set(session.id, session)
      return session
    },
    find(id) {
      const session = id === undefined ? undefined : sessions.get(id)
      if (session) sessions.set(session.id, session)
      return session
    },
    end: ({ id }) => sessions.delete(id),
    get size() {
      return sessions.size
    },
  }
}
