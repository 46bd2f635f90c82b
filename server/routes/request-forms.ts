/** The forms on the pages of a request: submit a code, request another one, cancel, keep, delete. */
import type { Request, Response, Router } from 'express'
import { AppError, type ErrorCode } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { requireOwner } from '../middleware/owner.ts'
import { codeWithDeviceLink, currentPageLink, requestLinks } from '../pages/links.ts'
import { createHandleCodeRefusal, submittedCode } from './code-refusal.ts'
import type { PageDeps } from './page-deps.ts'
import { readForm } from './parse-form.ts'

export function addRequestForms(router: Router, deps: PageDeps): void {
  const { requests, codeLinks, ownership, limitActions } = deps
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
      res.redirect(303, requestLinks(await requests.resendOtp(hashOf(req))).otp)
    },
    handleCodeRefusal,
  )

  router.post(
    '/services/:slug/cancel/:hash',
    limitActions,
    requireAct,
    async (req: Request, res: Response) => {
      // Too late to cancel: the page of the outcome says how the request ended.
      const view = await requests.cancel(hashOf(req)).catch(viewIf(req, 'already_final'))
      res.redirect(303, currentPageLink(view))
    },
  )

  router.post('/services/:slug/keep/:hash', limitActions, requireAct, async (req: Request, res: Response) => {
    // Another tab was first: the page says until when it is kept.
    const view = await requests.keep(hashOf(req)).catch(viewIf(req, 'already_kept', 'not_final'))
    res.redirect(303, currentPageLink(view))
  })

  router.post(
    '/services/:slug/delete/:hash',
    limitActions,
    requireAct,
    async (req: Request, res: Response) => {
      const view = await requests.view(hashOf(req))
      await requests.delete(view.hash).catch(viewIf(req, 'not_final'))
      // The page says that the request is deleted.
      res.redirect(303, currentPageLink(view))
    },
  )

  router.post(
    '/services/:slug/device/:hash',
    limitActions,
    requireAct,
    async (req: Request, res: Response) => {
      const view = await requests.view(hashOf(req))
      const prompt = view.otp_data
      if (prompt?.kind !== 'code') return res.redirect(303, currentPageLink(view))
      res.redirect(303, codeWithDeviceLink(view, await codeLinks.create(view.hash, prompt)))
    },
  )

  /** The present state where one of these codes refuses the action. */
  function viewIf(req: Request, ...codes: ErrorCode[]): (error: unknown) => Promise<PublicView> {
    return (error) => {
      if (error instanceof AppError && codes.includes(error.code)) return requests.view(hashOf(req))
      throw error
    }
  }
}
