/** The requests of a browser session, for the list on its home page. */
import type { RequestActions } from '../core/actions/request-actions.ts'
import { AppError } from '../core/domain/errors.ts'
import type { PublicView } from '../core/domain/record.ts'
import type { SessionRequests } from '../core/store/session-requests.ts'
import type { Ownership, Viewer } from './ownership.ts'

export interface OwnRequests {
  /** The newest first. Empty where Redis does not answer: the list is not what people came for. */
  list(sessionId: string, userId: string | null): Promise<PublicView[]>
}

export function createOwnRequests({
  sessionRequests,
  requests,
  ownership,
}: {
  sessionRequests: Pick<SessionRequests, 'list' | 'remove'>
  requests: Pick<RequestActions, 'view'>
  ownership: Pick<Ownership, 'isSubmitter'>
}): OwnRequests {
  /** Null for one that is gone, `undefined` for one that cannot be shown. */
  async function find(hash: string, viewer: Viewer): Promise<PublicView | null | undefined> {
    try {
      const [isOwn, view] = await Promise.all([ownership.isSubmitter(hash, viewer), requests.view(hash)])
      return isOwn ? view : undefined
    } catch (error) {
      return error instanceof AppError && (error.status === 404 || error.status === 410) ? null : undefined
    }
  }

  return {
    async list(sessionId, userId) {
      const hashes = await sessionRequests.list(sessionId).catch((): string[] => [])
      const found = await Promise.all(hashes.map((hash) => find(hash, { sessionId, userId })))
      const gone = hashes.filter((_, i) => found[i] === null)
      await sessionRequests.remove(sessionId, gone).catch(() => {})
      return found.filter((view) => view !== null && view !== undefined)
    },
  }
}
