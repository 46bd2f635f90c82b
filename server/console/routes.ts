/** The routes of the console, below `/admin`. Everything but the sign-in form is for those who are signed in. */
import { type Request, type RequestHandler, type Response, Router } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import type { AuditLog } from '../../core/store/audit-log.ts'
import { notFound } from '../middleware/errors.ts'
import { pageContext, persistLocale } from '../middleware/locale.ts'
import type { OnRefusal } from '../refused-calls.ts'
import { readForm } from '../routes/parse-form.ts'
import type { ConsoleDoor, Operator } from './access.ts'
import { addConsoleActions, type ConsoleActionDeps } from './actions.ts'
import { createConsoleEvents } from './events.ts'
import type { ConsolePages } from './pages.ts'
import { addQueueActions, type QueueActionDeps } from './queue-actions.ts'

export interface ConsoleRouteDeps extends ConsoleActionDeps, QueueActionDeps {
  door: ConsoleDoor
  pages: ConsolePages
  audit: AuditLog
  onRefusal: OnRefusal
  limitSignIns: RequestHandler
  rawQueues: RequestHandler
  stopping: AbortSignal
}

const operatorOf = (res: Response): Operator => res.locals.operator as Operator
const wantsPage = (req: Request): boolean => req.accepts(['json', 'html']) === 'html'

export function createConsoleRoutes(deps: ConsoleRouteDeps): Router {
  const { door, pages, audit } = deps
  const router = Router()
  router.use(setConsoleHeaders, persistLocale)
  if (door.hasForm) addSignIn(router, deps)

  router.use(async (req, res, next) => {
    const operator = await door.operatorOf(req)
    if (operator === null) {
      if (door.hasForm && req.method === 'GET' && wantsPage(req)) return res.redirect(303, '/admin/sign-in')
      throw new AppError('unauthorized', { detail: 'Sign in to the console.' })
    }
    res.locals.operator = operator
    next()
  })
  router.get('/events', createConsoleEvents(deps))
  router.use('/queues/raw', deps.rawQueues)
  router.post('/{*path}', readForm, (req, res, next) => {
    if (!door.isFormToken(operatorOf(res), req.body?.form_token))
      throw new AppError('origin_not_allowed', { detail: 'The form is out of date. Load its page again.' })
    next()
  })
  router.post('/sign-out', async (req, res) => {
    await door.signOut(req, res)
    void audit.add({ who: operatorOf(res).who, action: 'sign_out', outcome: 'done' })
    res.redirect(303, '/admin/sign-in')
  })
  addConsoleActions(router, deps, operatorOf)
  addQueueActions(router, deps, operatorOf)
  router.get('/{*path}', async (req, res, next) => {
    // The script asks after an event: what the stream has just read is what changed.
    const isRefresh = req.get('x-refresh') !== undefined
    const html = await pages.render(pageContext(req), operatorOf(res), isRefresh)
    return html === null ? next() : res.send(html)
  })
  router.use(notFound)
  return router
}

function addSignIn(router: Router, { door, pages, audit, onRefusal, limitSignIns }: ConsoleRouteDeps): void {
  router.get('/sign-in', async (req, res) => {
    if (await door.operatorOf(req)) return res.redirect(303, '/admin')
    res.send(pages.signIn(pageContext(req), req.query.wrong !== undefined))
  })
  // Without a hidden token: a page of another site that knew the right one needs no visitor to send it.
  router.post('/sign-in', limitSignIns, readForm, (req, res) => {
    if (door.signIn(req, res, String(req.body?.token ?? ''))) {
      void audit.add({ who: 'token', action: 'sign_in', outcome: 'done' })
      return res.redirect(303, '/admin')
    }
    onRefusal({ action: 'sign_in', reason: 'unauthorized', req })
    if (!wantsPage(req)) throw new AppError('unauthorized', { detail: 'This is not the token.' })
    res.redirect(303, '/admin/sign-in?wrong')
  })
}

/** No cache keeps a page, no search engine lists one, and no other site reads one, even one of ALLOWED_ORIGINS. */
const setConsoleHeaders: RequestHandler = (_req, res, next) => {
  res.removeHeader('Access-Control-Allow-Origin')
  res.set({ 'Cache-Control': 'no-store', 'X-Robots-Tag': 'noindex, nofollow' })
  next()
}
