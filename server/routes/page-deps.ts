/** The dependencies of the page routes. */
import type { RequestHandler } from 'express'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import type { Catalog } from '../../core/catalog/catalog.ts'
import type { Queues } from '../../core/queue/queues.ts'
import type { CodeLinks } from '../../core/store/code-links.ts'
import type { FailedRequests } from '../../core/store/failed-requests.ts'
import type { Fingerprint } from '../../core/store/idempotency-keys.ts'
import type { RequestFiles } from '../../core/store/request-files.ts'
import type { InlineStyle } from '../inline-style.ts'
import type { OwnRequests } from '../own-requests.ts'
import type { Ownership } from '../ownership.ts'
import type { Pages } from '../pages/index.ts'
import type { SignIn } from '../sign-in.ts'
import type { Submit } from '../submit-request.ts'
import type { ViewLinks } from '../view-links.ts'
import type { RefusedForms } from './refused-forms.ts'

export interface PageDeps {
  catalog: Pick<Catalog, 'find'>
  pages: Pages
  queues: Pick<Queues, 'waiting'>
  submit: Submit
  fingerprint: Fingerprint
  requests: RequestActions
  failures: Pick<FailedRequests, 'find'>
  codeLinks: CodeLinks
  viewLinks: ViewLinks
  ownRequests: OwnRequests
  files: Pick<RequestFiles, 'find'>
  ownership: Ownership
  signIn: Pick<SignIn, 'maySubmit' | 'readsBearer'>
  refusedForms: RefusedForms
  inlineStyle: InlineStyle
  /** Whether only the session that submits a form may see its request. */
  needsCookies: boolean
  /** PUBLIC_URL. */
  publicUrl: string | undefined
  /** For form posts. */
  limitSubmits: RequestHandler
  /** For actions on a request: code, resend, cancel. */
  limitActions: RequestHandler
}
