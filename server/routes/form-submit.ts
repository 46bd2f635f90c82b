/**
 * The submit of the form page. The form's hidden key and the submitted values together are the Idempotency-Key: a double
 * submit creates one request; going back and correcting a field creates another.
 */
import type { RequestActions } from '../../core/actions/request-actions.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { Fingerprint } from '../../core/store/idempotency-keys.ts'
import { MAX_ENDED_CHECKED } from '../accept-request.ts'
import type { Caller } from '../middleware/caller.ts'
import type { Submit } from '../submit-request.ts'

export interface FormSubmission extends Caller {
  slug: string
  requestData: Record<string, unknown>
  /** The form's hidden key; null when the post has none. */
  key: string | null
}

/** @throws AppError like `Submit` */
export function createFormSubmit({
  submit,
  requests,
  fingerprint,
}: {
  submit: Submit
  requests: RequestActions
  fingerprint: Fingerprint
}) {
  return async ({ key, ...submission }: FormSubmission): Promise<PublicView> => {
    let idempotencyKey = key && fingerprint(key, submission.requestData)
    for (let ended = 0; ended < MAX_ENDED_CHECKED; ended++) {
      const { view, replayed } = await submit({ ...submission, idempotencyKey })
      if (!replayed || !idempotencyKey) return view
      const current = await currentState(view.hash)
      if (current && !current.is_failed && !current.is_cancelled) return current
      // The same form sent again after its request failed or was cancelled creates a new request.
      idempotencyKey = fingerprint(idempotencyKey, view.hash)
    }
    return (await submit({ ...submission, idempotencyKey: null })).view
  }

  /** A repeated submit returns its first response, so the current state comes from the record. */
  async function currentState(hash: string): Promise<PublicView | null> {
    try {
      return await requests.view(hash)
    } catch (error) {
      if (error instanceof AppError && (error.status === 404 || error.status === 410)) return null
      throw error
    }
  }
}
