/** What the portal does with each form that is sent in: on to the next step, or an error on the same page. */
import { randomInt } from 'node:crypto'
import { plainNumber } from '../../core/digits.ts'
import { FIELD_TYPES } from '../../core/services/fields.ts'
import { makeCreditReport } from './credit-report.ts'
import type { Inbox } from './inbox.ts'
import type { PageError } from './pages.ts'
import type { Session, Stage } from './sessions.ts'

type Outcome =
  | { next: Stage }
  | { error: PageError; status?: number }
  /** The visit ends here. */
  | { over: PageError }

/** A form as it came in. `field` is what was typed, '' when missing. */
interface Posted {
  field: (name: string) => string
  /** A code that came in time stays in time, however long the portal takes. */
  arrivedAtMs: number
}

export type Step = (session: Session, posted: Posted) => Outcome

const CODE_LIFE_MS = 2 * 60_000
const CODE_TRIES = 3
/** As often a right answer to the captcha is turned down. */
const CAPTCHA_MOOD = 0.25

export function createSteps({
  inbox,
  random,
  now,
}: {
  inbox: Inbox
  random: () => number
  now: () => number
}) {
  const signIn: Step = (session, { field }) => {
    const nationalCode = FIELD_TYPES.national_code.schema.safeParse(field('national_code'))
    const mobile = FIELD_TYPES.mobile.schema.safeParse(field('mobile'))
    if (!nationalCode.success || !mobile.success) {
      return {
        status: 422,
        error: { code: 'login-refused', text: 'National code or mobile number is not right.' },
      }
    }
    session.nationalCode = nationalCode.data
    session.mobile = mobile.data
    return { next: 'captcha' }
  }

  const answerCaptcha: Step = (session, { field }) => {
    if (plainNumber(field('answer')) !== String(session.captchaAnswer)) {
      return { error: { code: 'captcha-wrong', text: 'That was not it. Here is another question.' } }
    }
    if (random() < CAPTCHA_MOOD) {
      return { error: { code: 'captcha-expired', text: 'The captcha has expired, try again.' } }
    }
    return { next: 'send-code' }
  }

  /** A new code takes the place of the one before, and its tries begin anew. */
  const sendCode: Step = (session) => {
    if (session.code) session.notice = 'Another code is on its way. The one before no longer works.'
    const digits = String(randomInt(1_000_000)).padStart(6, '0')
    session.code = { digits, sentAtMs: now(), triesLeft: CODE_TRIES }
    inbox.send(session.mobile, digits)
    return { next: 'code' }
  }

  const checkCode: Step = (session, { field, arrivedAtMs }) => {
    const { code } = session
    if (!code || arrivedAtMs >= code.sentAtMs + CODE_LIFE_MS) {
      return { error: { code: 'code-expired', text: 'The code is no longer valid. Have it sent again.' } }
    }
    if (plainNumber(field('code')) === code.digits) return { next: 'confirmed' }
    code.triesLeft--
    return code.triesLeft > 0
      ? { error: { code: 'code-wrong', text: `That code is not right. Tries left: ${code.triesLeft}.` } }
      : { over: { code: 'code-locked', text: 'The code was wrong three times. Your session is over.' } }
  }

  const makeReport: Step = (session) => {
    session.report = makeCreditReport(session.nationalCode, now())
    return { next: 'report' }
  }

  return { signIn, answerCaptcha, sendCode, checkCode, makeReport }
}
