/**
 * A stand-in for a government portal, for the bots to work with: HTML pages with a session cookie, a hidden token in every
 * form, a captcha, a code by SMS, and a report or a statement. State is in memory and expires; codes, mobile numbers, national
 * codes and account numbers are never logged. Three score providers for programs are part of it.
 */
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import helmet from 'helmet'
import { FIELD_TYPES } from '../../../core/catalog/fields.ts'
import type { Log } from '../../../core/runtime/log.ts'
import { createInbox, type Inbox } from './inbox.ts'
import { createPace } from './pace.ts'
import { createPageRenderer, type PageError, type Show } from './pages.ts'
import { addProviders } from './providers.ts'
import { createSessions } from './sessions.ts'
import { createVisit } from './visit.ts'

export interface PortalOptions {
  /** Divides every delay; at 1 a whole visit takes 8 to 40 s. */
  speed: number
  log: Log
  /** The host name of the pages on which the codes are typed. Default: localhost. */
  site?: string
  /** 0 to 1, drawn for each right captcha answer: below 0.25 the answer is rejected all the same. */
  random?: () => number
  /** Milliseconds since 1970; for expiry, not for the delays. */
  now?: () => number
}

export function createPortal({
  speed,
  log,
  site = 'localhost',
  random = Math.random,
  now = Date.now,
}: PortalOptions): Express {
  const inbox = createInbox(now, site)
  const sessions = createSessions(now)
  const pace = createPace(speed)
  const show = createPageRenderer()

  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.use(securityHeaders, (_req, res, next) => {
    res.set('Cache-Control', 'no-store')
    next()
  })
  app.get('/health', (_req, res) => {
    res.json({ status: 'ok', sessions: sessions.size, waiting: pace.waiting })
  })
  app.get('/style.css', (_req, res) => {
    res.sendFile('style.css', { root: import.meta.dirname, cacheControl: false })
  })
  app.get('/', (_req, res) => show(res, 'home'))
  addInbox(app, inbox, show)
  addProviders(app, { pace, now })
  app.use(createVisit({ sessions, inbox, pace, show, random, now }))

  app.use((_req, res) => {
    show(res.status(404), 'message', {
      title: 'Not found',
      error: { code: 'not-found', text: 'There is no such page.' },
      goOn: '/',
    })
  })
  app.use((error: Error & { status?: number }, _req: Request, res: Response, next: NextFunction) => {
    const status = error.status && error.status < 500 ? error.status : 500
    if (status === 500) log.error({ err: error }, 'a page could not be made')
    if (res.headersSent) return next(error)
    const text = status === 500 ? 'Something went wrong here.' : 'We could not read what your browser sent.'
    show(res.status(status), 'message', { title: 'Sorry', error: { code: 'failed', text } })
  })
  return app
}

/** No scripts, no frames, nothing from other origins. */
const securityHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      styleSrc: ["'self'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
      baseUri: ["'none'"],
    },
  },
  // The portal uses plain HTTP on the loopback address.
  strictTransportSecurity: false,
})

/** `GET /inbox/{mobile}`: a page for people, JSON for programs that ask for it; newest first. */
function addInbox(app: Express, inbox: Inbox, show: Show): void {
  const wrongNumber: PageError = {
    code: 'no-number',
    text: 'A mobile number has 11 digits and starts with 09.',
  }

  app.get('/inbox', (req, res) => {
    if (req.query.mobile === undefined) return show(res, 'inbox')
    const mobile = FIELD_TYPES.mobile.schema.safeParse(req.query.mobile)
    if (mobile.success) return res.redirect(303, `/inbox/${mobile.data}`)
    show(res.status(422), 'inbox', { error: wrongNumber })
  })

  app.get('/inbox/:mobile', (req, res) => {
    const mobile = FIELD_TYPES.mobile.schema.safeParse(req.params.mobile)
    const messages = mobile.success ? inbox.messages(mobile.data) : []
    if (!mobile.success) res.status(404)
    res.format({
      html: () =>
        show(res, 'inbox', mobile.success ? { mobile: mobile.data, messages } : { error: wrongNumber }),
      json: () => res.json(mobile.success ? messages : { error: wrongNumber }),
    })
  })
}
