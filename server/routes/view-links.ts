/** `…/{hash}/links`: makes and ends links that show a request and cannot act on it. */
import { type Request, type RequestHandler, Router } from 'express'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import { AppError } from '../../core/domain/errors.ts'
import { methodNotAllowed } from '../middleware/errors.ts'
import { currentPageLink } from '../pages/links.ts'
import type { ViewLinks } from '../view-links.ts'
import { absoluteLink } from './absolute-link.ts'

export interface ViewLinkDeps {
  requests: Pick<RequestActions, 'view'>
  viewLinks: Pick<ViewLinks, 'create' | 'remove'>
  publicUrl: string | undefined
}

/** Below the address of one request. */
export function createViewLinkRoutes(
  { requests, viewLinks, publicUrl }: ViewLinkDeps,
  requireAct: RequestHandler[],
): Router {
  const router = Router({ mergeParams: true })
  const hashOf = (req: Request): string => String(req.params.hash)

  router
    .route('/links')
    .post(...requireAct, async (req, res) => {
      const view = await requests.view(hashOf(req))
      const token = await viewLinks.create(view)
      res
        .status(201)
        .set('Cache-Control', 'no-store')
        .json({
          link: token,
          url: absoluteLink(req, publicUrl, currentPageLink({ ...view, hash: token })),
          status_url: `/api/local-requests/${token}/status`,
          events_url: `/api/local-requests/${token}/events`,
        })
    })
    .delete(...requireAct, async (req, res) => {
      await viewLinks.remove(hashOf(req))
      res.status(204).set('Cache-Control', 'no-store').end()
    })
    .all(methodNotAllowed('POST', 'DELETE'))

  router
    .route('/links/:link')
    .delete(...requireAct, async (req, res) => {
      if (!(await viewLinks.remove(hashOf(req), String(req.params.link))))
        throw new AppError('not_found', { detail: 'This request has no such link.' })
      res.status(204).set('Cache-Control', 'no-store').end()
    })
    .all(methodNotAllowed('DELETE'))

  return router
}
