/**
 * What an answer says about a link. As people who use link checkers expect it:
 *
 *   fine      2xx, at once or after redirects
 *   broken    4xx, 5xx, no answer, no such server, no valid certificate, redirects that lead nowhere
 *   unsure    401, 403, 407, 429, 451, 999: the server keeps programs, strangers or a country out; a person with a browser
 *             may well see a page, so calling it broken would cry wolf
 *   skipped   a private address, or a redirect to something that is no web page
 */
import { STATUS_CODES } from 'node:http'
import { FAILURES } from './failure.ts'
import type { Answer } from './fetcher.ts'

export interface Verdict {
  is: 'fine' | 'broken' | 'unsure' | 'skipped'
  /** For programs: `http_404`, or a failure's name. */
  code: string
  /** For people. */
  reason: string
  /** Asking again later may give another answer. */
  isTransient: boolean
}

const KEPT_OUT: ReadonlySet<number> = new Set([401, 403, 407, 429, 451, 999])
const NOT_CHECKED: ReadonlySet<string> = new Set(['private_address', 'not_http'])

export function judge({
  status,
  failure,
  redirects,
}: Pick<Answer, 'status' | 'failure' | 'redirects'>): Verdict {
  if (failure) {
    const { reason, transient } = FAILURES[failure]
    return {
      is: NOT_CHECKED.has(failure) ? 'skipped' : 'broken',
      code: failure,
      reason,
      isTransient: transient,
    }
  }
  const code = `http_${status}`
  if (status !== null && status < 400) return { is: 'fine', code, reason: 'found', isTransient: false }
  const says = STATUS_CODES[status ?? 0] ?? 'an unknown answer'
  return {
    is: KEPT_OUT.has(status ?? 0) ? 'unsure' : 'broken',
    code,
    reason: redirects.length > 0 ? `${says}, after a redirect` : says,
    isTransient: (status ?? 0) >= 500 || status === 408,
  }
}

/** Many servers answer HEAD wrongly or not at all: only what GET says counts. */
export const isHeadUnreliable = ({ status, failure }: Pick<Answer, 'status' | 'failure'>): boolean =>
  status === null
    ? failure === 'connection_lost' || failure === 'bad_answer'
    : status >= 400 && status !== 429
