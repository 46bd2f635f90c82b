/** The forms on the pages of a request: submit a code, request another one, cancel. */
import type { Request, Response, Router } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import { requireOwner } from '../middleware/owner.ts'
import { currentPageLink, requestLinks } from '../pages/links.ts'
import { createHandleCodeRefusal, submittedCode } from './code-refusal.ts'
import type { PageDeps } from './page-deps.ts'
import { readForm } from './parse-form.ts'

export function addRequestForms(router: Router, deps: PageDeps): void {
  const { requests, ownership, limitActions } = deps
  const requireAct = requireOwner(ownership, 'act')
  const handleCodeRefusal = createHandleCodeRefusal(deps)
  const hashOf = (req: Request): string => String(req.params.hash)

  router.post(
    '/services/:slug/otp/:hash',
    limitActions,
    requireAct,
    readForm,
    async (req: Request, res: Response) => {
      res.redirect(303, currentPageLink(await requests.submitOtp(hashOf(req), submittedCode(req))))
    },
    handleCodeRefusal,
  )

  router.post(
    '/services/:slug/resend-otp/:hash',
    limitActions,
    requireAct,
    async (req: Request, res: Response) => {
      res.redirect(303, `${requestLinks(await requests.resendOtp(hashOf(req))).otp}?resent`)
    },
    handleCodeRefusal,
  )

  router.post(
    '/services/:slug/cancel/:hash',
    limitActions,
    requireAct,
    async (req: Request, res: Response) => {
      const view = await requests.cancel(hashOf(req)).catch((error) => {
        // Too late to cancel: the page of the outcome says how the request ended.
        if (error instanceof AppError && error.code === 'already_final') return requests.view(hashOf(req))
        throw error
      })
      res.redirect(303, currentPageLink(view))
    },
  )
}
