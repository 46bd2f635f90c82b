/** Handles each submitted form: continues with the next stage, or shows an error on the same page. */
import { randomInt } from 'node:crypto'
import { FIELD_TYPES } from '../../../core/catalog/fields.ts'
import { normalizeDigits } from '../../../core/domain/digits.ts'
import { makeCreditReport } from './credit-report.ts'
import type { Inbox } from './inbox.ts'
import type { PageError } from './pages.ts'
import type { Area, Session, Stage } from './sessions.ts'

type Outcome =
  | { next: Stage }
  | { error: PageError; status?: number }
  /** Ends the session. */
  | { over: PageError }

interface SubmittedForm {
  /** '' when missing. */
  field: (name: string) => string
  /** When the form was received: the delay of the answer does not make a code late. */
  arrivedAtMs: number
}

export type PortalStep = (session: Session, form: SubmittedForm) => Outcome

/** What each area asks for besides the mobile number. */
export const SUBJECTS = {
  '': { name: 'national_code', label: 'National code' },
  'account/': { name: 'account_number', label: 'Account number' },
} as const satisfies Record<Area, unknown>

const CODE_LIFE_MS = 2 * 60_000
const CODE_TRIES = 3
/** The share of right captcha answers that is rejected. */
const CAPTCHA_REJECTION_RATE = 0.25

export function createSteps({
  inbox,
  random,
  now,
}: {
  inbox: Inbox
  random: () => number
  now: () => number
}) {
  const signIn =
    (area: Area, next: Stage): PortalStep =>
    (session, { field }) => {
      const { name, label } = SUBJECTS[area]
      const subject = FIELD_TYPES[name].schema.safeParse(field(name))
      const mobile = FIELD_TYPES.mobile.schema.safeParse(field('mobile'))
      if (!subject.success || !mobile.success) {
        const text = `${label} or mobile number is not right.`
        return { status: 422, error: { code: 'login-refused', text } }
      }
      session.subject = subject.data
      session.mobile = mobile.data
      return { next }
    }

  const answerCaptcha: PortalStep = (session, { field }) => {
    if (normalizeDigits(field('answer')) !== String(session.captchaAnswer)) {
      return { error: { code: 'captcha-wrong', text: 'That was not it. Here is another question.' } }
    }
    if (random() < CAPTCHA_REJECTION_RATE) {
      return { error: { code: 'captcha-expired', text: 'The captcha has expired, try again.' } }
    }
    return { next: 'send-code' }
  }

  /** A new code replaces the last one and resets the tries. */
  const sendCode =
    (next: Stage): PortalStep =>
    (session) => {
      if (session.code) session.notice = 'Another code is on its way. The one before no longer works.'
      const digits = String(randomInt(1_000_000)).padStart(6, '0')
      session.code = { digits, sentAtMs: now(), triesLeft: CODE_TRIES }
      inbox.send(session.mobile, digits)
      return { next }
    }

  const checkCode =
    (next: Stage, onConfirmed: (session: Session) => void): PortalStep =>
    (session, { field, arrivedAtMs }) => {
      const { code } = session
      if (!code || arrivedAtMs >= code.sentAtMs + CODE_LIFE_MS) {
        return { error: { code: 'code-expired', text: 'The code is no longer valid. Have it sent again.' } }
      }
      if (normalizeDigits(field('code')) === code.digits) {
        onConfirmed(session)
        return { next }
      }
      code.triesLeft--
      return code.triesLeft > 0
        ? { error: { code: 'code-wrong', text: `That code is not right. Tries left: ${code.triesLeft}.` } }
        : { over: { code: 'code-locked', text: 'The code was wrong three times. Your session is over.' } }
    }

  const makeReport: PortalStep = (session) => {
    session.report = makeCreditReport(session.subject, now())
    return { next: 'report' }
  }

  return { signIn, answerCaptcha, sendCode, checkCode, makeReport }
}
