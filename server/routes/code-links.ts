/** The page that a link opens on another device: the field of one code, and nothing else of its request. */
import { type ErrorRequestHandler, type Request, type Response, Router } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import type { OtpPrompt, PublicView } from '../../core/domain/record.ts'
import { isCodeToken } from '../../core/store/code-links.ts'
import { pageContext } from '../middleware/locale.ts'
import type { DeviceLink } from '../pages/device-model.ts'
import { CODE_SENT_LINK, codeTokenLink } from '../pages/links.ts'
import { codeProblemFor, maskAnswer, SHOWN_ON_CODE_PAGE, submittedCode } from './code-refusal.ts'
import type { PageDeps } from './page-deps.ts'
import { readForm } from './parse-form.ts'

interface OpenedLink {
  view: PublicView
  prompt: OtpPrompt
}

export function createCodeLinkRoutes(deps: PageDeps): Router {
  const { pages, requests, codeLinks, refusedForms, limitActions } = deps
  const router = Router()

  /** @throws AppError `link_over` */
  async function open(req: Request): Promise<OpenedLink> {
    const link = await codeLinks.find(String(req.params.token))
    const view = link && (await requests.view(link.hash).catch(nullIfGone))
    const prompt = view?.otp_data
    if (!view?.requires_otp || prompt?.id !== link?.prompt || !prompt) throw new AppError('link_over')
    return { view, prompt }
  }

  router.use((_req, res, next) => {
    res.set({ 'Cache-Control': 'no-store', 'X-Robots-Tag': 'noindex, nofollow' })
    next()
  })
  router.get('/sent', (req, res) => void res.send(pages.codeSent(pageContext(req))))
  router.param('token', (_req, _res, next, token) =>
    next(isCodeToken(token) ? undefined : new AppError('not_found')),
  )
  // Programs that show a preview of a link get it, too: it ends only when a code was accepted.
  router.get('/:token', async (req, res) => {
    const { view, prompt } = await open(req)
    const refused = await refusedForms.find(req)
    const isForPrompt = refused?.prompt?.id === prompt.id
    if (isForPrompt) refusedForms.setStatus(res, refused)
    res.send(showField(req, view, isForPrompt ? codeProblemFor(req, view, refused) : undefined))
  })
  router.post(
    '/:token',
    limitActions,
    readForm,
    async (req: Request, res: Response) => {
      const { view } = await open(req)
      await requests.submitOtp(view.hash, submittedCode(req))
      await codeLinks.remove(String(req.params.token))
      res.redirect(303, CODE_SENT_LINK)
    },
    (async (error, req, res, next) => {
      if (!(error instanceof AppError) || !SHOWN_ON_CODE_PAGE.has(error.code)) return next(error)
      const { view, prompt } = await open(req)
      const refused = { error, prompt: { id: prompt.id, typed: maskAnswer(view, submittedCode(req)) } }
      const address = codeTokenLink(String(req.params.token))
      if (await refusedForms.redirect(req, res, error, address, { prompt: refused.prompt })) return
      refusedForms.setStatus(res, refused)
      res.send(showField(req, view, codeProblemFor(req, view, refused)))
    }) satisfies ErrorRequestHandler,
  )
  router.use('/:token/*rest', () => {
    throw new AppError('not_owner')
  })
  return router

  function showField(req: Request, view: PublicView, problem: string | undefined): string {
    return pages.code(pageContext(req), view, { action: codeTokenLink(String(req.params.token)), problem })
  }
}

function nullIfGone(error: unknown): null {
  if (error instanceof AppError && (error.status === 404 || error.status === 410)) return null
  throw error
}

/** The link in the address of the page, if it is for the question that the page asks. */
export async function findDeviceLink(
  { codeLinks, publicUrl }: Pick<PageDeps, 'codeLinks' | 'publicUrl'>,
  req: Request,
  { hash, otp_data: prompt }: PublicView,
): Promise<DeviceLink | null> {
  const { device: token } = req.query
  const link = isCodeToken(token) ? await codeLinks.find(token) : null
  if (link?.hash !== hash || link.prompt !== prompt?.id) return null
  const origin = publicUrl ?? `${req.protocol}://${req.host}`
  if (!URL.canParse(origin)) return null
  return { href: new URL(codeTokenLink(String(token)), origin).href, prompt: link.prompt }
}
