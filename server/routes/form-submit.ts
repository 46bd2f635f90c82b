/**
 * The submit behind the form page. The form's hidden key and what was typed make the idempotency key together: a
 * double submit is one request, while going back and correcting a field is another.
 */
import { createHash } from 'node:crypto'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { MAX_ENDED_CHECKED } from '../accept-request.ts'
import type { Caller } from '../middleware/caller.ts'
import type { Submit } from '../submit-request.ts'

export interface FormSubmission extends Caller {
  slug: string
  requestData: Record<string, unknown>
  /** The form's hidden key; null when it came without one. */
  key: string | null
}

/** @throws AppError like `Submit` */
export function createFormSubmit({ submit, requests }: { submit: Submit; requests: RequestActions }) {
  return async ({ key, ...submission }: FormSubmission): Promise<PublicView> => {
    let idempotencyKey = key && fingerprint(key, JSON.stringify(submission.requestData))
    for (let ended = 0; ended < MAX_ENDED_CHECKED; ended++) {
      const { view, replayed } = await submit({ ...submission, idempotencyKey })
      if (!replayed || !idempotencyKey) return view
      const present = await presentState(view.hash)
      if (present && !present.is_failed && !present.is_cancelled) return present
      // Back at the form of a request that did not work out, and sent again: this asks for a new one.
      idempotencyKey = fingerprint(idempotencyKey, view.hash)
    }
    return (await submit({ ...submission, idempotencyKey: null })).view
  }

  /** A repeated submit is answered as it was the first time; what became of the request since, the record knows. */
  async function presentState(hash: string): Promise<PublicView | null> {
    try {
      return await requests.view(hash)
    } catch (error) {
      if (error instanceof AppError && (error.status === 404 || error.status === 410)) return null
      throw error
    }
  }
}

const fingerprint = (...parts: string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
