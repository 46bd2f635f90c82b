/** The dependencies of the page routes. */
import type { RequestHandler } from 'express'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import type { Catalog } from '../../core/catalog/catalog.ts'
import type { FailedRequests } from '../../core/store/failed-requests.ts'
import type { RequestFiles } from '../../core/store/request-files.ts'
import type { Ownership } from '../ownership.ts'
import type { Pages } from '../pages/index.ts'
import type { Submit } from '../submit-request.ts'
import type { RefusedForms } from './refused-forms.ts'

export interface PageDeps {
  catalog: Pick<Catalog, 'find'>
  pages: Pages
  submit: Submit
  requests: RequestActions
  failures: Pick<FailedRequests, 'find'>
  files: Pick<RequestFiles, 'find'>
  ownership: Ownership
  refusedForms: RefusedForms
  /** Whether only the session that submits a form may see its request. */
  needsCookies: boolean
  /** For form posts. */
  limitSubmits: RequestHandler
  /** For actions on a request: code, resend, cancel. */
  limitActions: RequestHandler
}
