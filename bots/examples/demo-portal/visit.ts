/**
 * One visit to the portal: sign in, captcha, have a code sent, enter it, read the report; or, in the account area, the same
 * without a captcha for a statement. Each form has a token that works once. Answers are delayed (pace.ts). A request for
 * another page than that of the session's stage is redirected to that page.
 */
import express, { type Request, type RequestHandler, type Response, type Router } from 'express'
import { createCaptcha } from './captcha.ts'
import type { Inbox } from './inbox.ts'
import type { Pace, Seconds } from './pace.ts'
import type { PageError, Show } from './pages.ts'
import { type Area, newSecret, type Session, type Sessions, type Stage } from './sessions.ts'
import { makeStatement } from './statement.ts'
import { createSteps, type PortalStep, SUBJECTS } from './steps.ts'

const COOKIE = 'portal_session'

interface VisitDeps {
  sessions: Sessions
  inbox: Inbox
  pace: Pace
  show: Show
  random: () => number
  now: () => number
}

export function createVisit(deps: VisitDeps): Router {
  const { signIn, answerCaptcha, sendCode, checkCode, makeReport } = createSteps(deps)
  const { router, addLogin, addPage, addForm } = createRoutes(deps)

  addLogin('')
  addForm('login', [2, 4], signIn('', 'captcha'))
  addPage('captcha', [0.8, 1.6])
  addForm('captcha', [2, 4], answerCaptcha)
  addCodeForms('', 'confirmed')
  addPage('confirmed', [0.5, 1])
  addForm('confirmed', [2, 4], makeReport)
  addPage('report', [0.5, 1])

  addLogin('account/')
  addForm('account/login', [1, 3], signIn('account/', 'account/send-code'))
  addCodeForms('account/', 'account/statement', (session) => {
    session.statement = makeStatement(session.subject, deps.now())
  })
  addPage('account/statement', [1, 2])
  return router

  function addCodeForms(area: Area, next: Stage, onConfirmed: (session: Session) => void = () => {}): void {
    addPage(`${area}send-code`, [0.5, 1])
    addForm(`${area}send-code`, [2, 5], sendCode(`${area}code`))
    addPage(`${area}code`, [0.5, 1])
    addForm(`${area}code`, [2, 5], sendCode(`${area}code`), '/resend')
    addForm(`${area}code`, [2, 4], checkCode(next, onConfirmed))
  }
}

/** The stage is checked before and after each delay, because another tab may have moved on meanwhile. */
function createRoutes({ sessions, pace, show, now }: VisitDeps) {
  const router = express.Router()
  const readBody = express.urlencoded({ extended: false, limit: '4kb' })

  function addLogin(area: Area): void {
    router.get(toPath(`${area}login`), pace.takes([0.8, 1.6]), (_req, res) => {
      const session = sessions.create(`${area}login`)
      res.cookie(COOKIE, session.id, { httpOnly: true, sameSite: 'lax' })
      showStage(show, res, session)
    })
  }

  function addPage(stage: Stage, seconds: Seconds): void {
    const atStage = requireStage(stage)
    router.get(toPath(stage), atStage, pace.takes(seconds), atStage, (_req, res) =>
      showStage(show, res, sessionOf(res)),
    )
  }

  /** @param subpath for a second form of the page, below the page's own path */
  function addForm(stage: Stage, seconds: Seconds, step: PortalStep, subpath = ''): void {
    const atStage = requireStage(stage)
    const before = [atStage, readBody, useToken(show), pace.takes(seconds), atStage]
    router.post(toPath(stage) + subpath, ...before, (req, res) => {
      const session = sessionOf(res)
      const outcome = step(session, {
        field: (name) => readField(req, name),
        arrivedAtMs: res.locals.arrivedAtMs as number,
      })
      if ('next' in outcome) {
        session.stage = outcome.next
        res.redirect(303, toPath(outcome.next))
      } else if ('over' in outcome) {
        sessions.end(session)
        refuse(show, res, 403, outcome.over)
      } else {
        showStage(show, res.status(outcome.status ?? 200), session, outcome.error)
      }
    })
  }

  function requireStage(stage: Stage): RequestHandler {
    return (req, res, next) => {
      const session = sessions.find(readSessionCookie(req))
      res.locals.session = session
      res.locals.arrivedAtMs ??= now()
      if (!session) refuse(show, res, 401, { code: 'session-over', text: 'Your session is over.' })
      else if (session.stage !== stage) res.redirect(303, toPath(session.stage))
      else next()
    }
  }

  return { router, addLogin, addPage, addForm }
}

/** Accepts the token of the session's last page once. */
const useToken =
  (show: Show): RequestHandler =>
  (req, res, next) => {
    const session = sessionOf(res)
    const isRight = session.token !== null && readField(req, '_token') === session.token
    session.token = null
    if (isRight) return next()
    const error = { code: 'form-too-old', text: 'This form is no longer valid.' }
    refuse(show, res, 403, error, toPath(session.stage))
  }

/** Shows the page of the session's stage, with a new token and, at the captcha, a new question. */
function showStage(show: Show, res: Response, session: Session, error?: PageError): void {
  const { stage, notice, code, report, statement, mobile } = session
  const captcha = stage === 'captcha' ? createCaptcha() : null
  const token = newSecret()
  Object.assign(session, { token, notice: null, captchaAnswer: captcha?.answer ?? null })
  show(res, toView(stage), {
    path: toPath(stage),
    subject: SUBJECTS[toArea(stage)],
    token,
    error,
    notice,
    sentTo: `${mobile.slice(0, 4)}***${mobile.slice(-4)}`,
    report,
    statement,
    pieces: captcha?.pieces,
    triesLeft: code?.triesLeft,
  })
}

function refuse(show: Show, res: Response, status: number, error: PageError, goOn?: string): void {
  show(res.status(status), 'message', { title: 'Sorry', error, goOn })
}

const toPath = (stage: Stage): string => `/${stage}`
const toArea = (stage: Stage): Area => (stage.startsWith('account/') ? 'account/' : '')
/** Both areas share the views of pages that ask the same. */
const toView = (stage: Stage): string => stage.slice(toArea(stage).length)
const sessionOf = (res: Response): Session => res.locals.session as Session

const readSessionCookie = (req: Request): string | undefined =>
  new RegExp(`(?:^|;\\s*)${COOKIE}=([\\w-]+)`).exec(req.headers.cookie ?? '')?.[1]

/** A field that is missing or sent twice reads as empty. */
function readField(req: Request, name: string): string {
  const value: unknown = (req.body as Record<string, unknown> | undefined)?.[name]
  return typeof value === 'string' ? value : ''
}
