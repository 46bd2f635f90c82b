/** The forms of a result page that make a link for others, which only shows the request, and end all of them. */
import type { Request, Response, Router } from 'express'
import type { PublicView } from '../../core/domain/record.ts'
import { requireOwner } from '../middleware/owner.ts'
import type { SharedLink } from '../pages/index.ts'
import { currentPageLink, resultWithShared } from '../pages/links.ts'
import { absoluteLink } from './absolute-link.ts'
import type { PageDeps } from './page-deps.ts'

export function addShareForms(
  router: Router,
  { requests, viewLinks, ownership, limitActions }: PageDeps,
): void {
  const requireAct = requireOwner(ownership, 'act')
  const add = (name: string, act: (view: PublicView) => Promise<string | null>): void => {
    router.post(
      `/services/:slug/${name}/:hash`,
      limitActions,
      requireAct,
      async (req: Request, res: Response) => {
        const view = await requests.view(String(req.params.hash))
        res.redirect(303, resultWithShared(view, await act(view)))
      },
    )
  }
  add('share', (view) => viewLinks.create(view))
  add('unshare', async ({ hash }) => {
    await viewLinks.remove(hash)
    return null
  })
}

/** The link in the address of the page, and whether there is any; null for a page that is not shared. */
export async function findShared(
  { viewLinks, publicUrl }: Pick<PageDeps, 'viewLinks' | 'publicUrl'>,
  req: Request,
  view: PublicView,
): Promise<SharedLink | null> {
  const { shared } = req.query
  const token = String(shared ?? '')
  if (viewLinks.hashOf(token) === view.hash && (await viewLinks.isOpen(token)))
    return { href: absoluteLink(req, publicUrl, currentPageLink({ ...view, hash: token })), isOpen: true }
  const isOpen = view.is_completed && (await viewLinks.isShared(view.hash))
  return shared === undefined && !isOpen ? null : { href: null, isOpen }
}
