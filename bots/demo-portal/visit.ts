/**
 * One visit to the portal: sign in, captcha, have a code sent, enter it, read the report; or, in the other area, the
 * same without a captcha for an account's statement. Every page is a form whose token works once; every answer takes
 * its time; whoever asks for another step than their own is sent to that one.
 */
import express, {
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from 'express'
import { createCaptcha } from './captcha.ts'
import type { Inbox } from './inbox.ts'
import type { Pace, Seconds } from './pace.ts'
import type { PageError, Show } from './pages.ts'
import { type Area, newSecret, type Session, type Sessions, type Stage } from './sessions.ts'
import { makeStatement } from './statement.ts'
import { createSteps, type Step, SUBJECTS } from './steps.ts'

const COOKIE = 'portal_session'

interface VisitDeps {
  sessions: Sessions
  inbox: Inbox
  pace: Pace
  show: Show
  random: () => number
  now: () => number
}

export function createVisit({ sessions, inbox, pace, show, random, now }: VisitDeps): Router {
  const router = express.Router()
  const readBody = express.urlencoded({ extended: false, limit: '4kb' })
  const { signIn, answerCaptcha, sendCode, checkCode, makeReport } = createSteps({ inbox, random, now })

  begin('')
  form('login', [2, 4], signIn('', 'captcha'))
  page('captcha', [0.8, 1.6])
  form('captcha', [2, 4], answerCaptcha)
  confirmNumber('', 'confirmed')
  page('confirmed', [0.5, 1])
  form('confirmed', [2, 4], makeReport)
  page('report', [0.5, 1])

  begin('account/')
  form('account/login', [1, 3], signIn('account/', 'account/send-code'))
  confirmNumber('account/', 'account/statement', (session) => {
    session.statement = makeStatement(session.subject, now())
  })
  page('account/statement', [1, 2])
  return router

  function begin(area: Area): void {
    router.get(pathOf(`${area}login`), pace.takes([0.8, 1.6]), (_req, res) => {
      const session = sessions.create(`${area}login`)
      res.cookie(COOKIE, session.id, { httpOnly: true, sameSite: 'lax' })
      present(res, session)
    })
  }

  function confirmNumber(area: Area, next: Stage, confirmed: (session: Session) => void = () => {}): void {
    page(`${area}send-code`, [0.5, 1])
    form(`${area}send-code`, [2, 5], sendCode(`${area}code`))
    page(`${area}code`, [0.5, 1])
    form(`${area}code`, [2, 5], sendCode(`${area}code`), '/resend')
    form(`${area}code`, [2, 4], checkCode(next, confirmed))
  }

  // The stage is looked at before the delay and after it: another tab may have gone on meanwhile.

  function page(stage: Stage, seconds: Seconds): void {
    router.get(pathOf(stage), at(stage), pace.takes(seconds), at(stage), (_req, res) =>
      present(res, sessionOf(res)),
    )
  }

  /** @param below where another form of the page is sent, below the page's own path */
  function form(stage: Stage, seconds: Seconds, step: Step, below = ''): void {
    router.post(
      pathOf(stage) + below,
      at(stage),
      readBody,
      useToken,
      pace.takes(seconds),
      at(stage),
      (req, res) => {
        const session = sessionOf(res)
        const outcome = step(session, {
          field: (name) => fieldOf(req, name),
          arrivedAtMs: res.locals.arrivedAtMs as number,
        })
        if ('next' in outcome) {
          session.stage = outcome.next
          res.redirect(303, pathOf(outcome.next))
        } else if ('over' in outcome) {
          sessions.end(session)
          refuse(res, 403, outcome.over)
        } else {
          present(res.status(outcome.status ?? 200), session, outcome.error)
        }
      },
    )
  }

  /** Lets by who is at this stage of a visit. */
  function at(stage: Stage): RequestHandler {
    return (req, res, next) => {
      const session = sessions.find(sessionCookie(req))
      res.locals.session = session
      res.locals.arrivedAtMs ??= now()
      if (!session) refuse(res, 401, { code: 'session-over', text: 'Your session is over.' })
      else if (session.stage !== stage) res.redirect(303, pathOf(session.stage))
      else next()
    }
  }

  function useToken(req: Request, res: Response, next: NextFunction): void {
    const session = sessionOf(res)
    const right = session.token !== null && fieldOf(req, '_token') === session.token
    session.token = null
    if (right) next()
    else
      refuse(res, 403, { code: 'form-too-old', text: 'This form is no longer valid.' }, pathOf(session.stage))
  }

  /** The page of the session's stage, with a new token and, at the captcha, a new question. */
  function present(res: Response, session: Session, error?: PageError): void {
    const { stage, notice, code, report, statement, mobile } = session
    const captcha = stage === 'captcha' ? createCaptcha() : null
    const token = newSecret()
    Object.assign(session, { token, notice: null, captchaAnswer: captcha?.answer ?? null })
    const sentTo = `${mobile.slice(0, 4)}***${mobile.slice(-4)}`
    show(res, viewOf(stage), {
      path: pathOf(stage),
      subject: SUBJECTS[areaOf(stage)],
      token,
      error,
      notice,
      sentTo,
      report,
      statement,
      pieces: captcha?.pieces,
      triesLeft: code?.triesLeft,
    })
  }

  function refuse(res: Response, status: number, error: PageError, goOn?: string): void {
    show(res.status(status), 'message', { title: 'Sorry', error, goOn })
  }
}

const pathOf = (stage: Stage): string => `/${stage}`
const areaOf = (stage: Stage): Area => (stage.startsWith('account/') ? 'account/' : '')
/** Both areas show the same pages where they ask the same. */
const viewOf = (stage: Stage): string => stage.slice(areaOf(stage).length)
const sessionOf = (res: Response): Session => res.locals.session as Session

const sessionCookie = (req: Request): string | undefined =>
  new RegExp(`(?:^|;\\s*)${COOKIE}=([\\w-]+)`).exec(req.headers.cookie ?? '')?.[1]

/** A field that is missing or sent twice reads as empty. */
function fieldOf(req: Request, name: string): string {
  const value: unknown = (req.body as Record<string, unknown> | undefined)?.[name]
  return typeof value === 'string' ? value : ''
}
