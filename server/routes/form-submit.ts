/**
 * The submit behind the form page. The form's hidden key and what was typed make the idempotency key together: a
 * double submit is one request, while going back and correcting a field is another.
 */
import { createHash } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import type { PublicView } from '../../core/record.ts'
import type { Locale } from '../../core/texts/index.ts'
import type { PageDeps } from './pages.ts'

export interface FormSubmission {
  slug: string
  requestData: Record<string, unknown>
  /** The form's hidden key; null when it came without one. */
  key: string | null
  sessionId: string
  language: Locale
}

/** How often the same form is sent again after its request failed or was cancelled, before the last outcome is shown. */
const MAX_ROUNDS = 5

export function createFormSubmit({ submit, readView }: Pick<PageDeps, 'submit' | 'readView'>) {
  return async ({ key, ...submission }: FormSubmission): Promise<PublicView> => {
    if (key === null) return (await submit({ ...submission, idempotencyKey: null })).view
    let round = fingerprint(key, JSON.stringify(submission.requestData))
    for (let n = 1; ; n++) {
      const { view } = await submit({ ...submission, idempotencyKey: round })
      const current = await currentOf(view, readView)
      if (current && (!hasEndedBadly(current) || n === MAX_ROUNDS)) return current
      if (n === MAX_ROUNDS) return view
      // Back to the form of a request that did not work out, and sent again: this asks for a new try.
      round = fingerprint(round, view.hash)
    }
  }
}

const hasEndedBadly = (view: PublicView): boolean => view.is_failed || view.is_cancelled

/** A repeated submit is answered as it was the first time; what became of the request since, the record knows. */
async function currentOf(view: PublicView, readView: PageDeps['readView']): Promise<PublicView | null> {
  try {
    return await readView(view.hash)
  } catch (error) {
    if (error instanceof AppError && (error.status === 404 || error.status === 410)) return null
    throw error
  }
}

const fingerprint = (...parts: string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
