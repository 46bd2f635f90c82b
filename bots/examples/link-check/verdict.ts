/**
 * Judges a link by its answer, as users of link checkers expect it:
 *
 *   fine      2xx, also after redirects
 *   broken    4xx, 5xx, no answer, no such server, no valid certificate, redirects that lead nowhere
 *   unsure    401, 403, 407, 429, 451, 999: the server refuses programs, visitors without an account or a country. A person
 *             with a browser may see a page, so "broken" would be a false alarm
 *   skipped   a private address, a port that is not called, what robots.txt excludes, or a redirect to something that is no web page
 */
import { FAILURES } from './failure.ts'
import type { FetchResult } from './fetcher.ts'

export interface Verdict {
  is: 'fine' | 'broken' | 'unsure' | 'skipped'
  /** `http_404`, or a failure's name; reasons.ts has the words. */
  code: string
  /** A retry may give another answer. */
  isTransient: boolean
}

const REFUSED: ReadonlySet<number> = new Set([401, 403, 407, 429, 451, 999])
const NOT_CHECKED: ReadonlySet<string> = new Set([
  'private_address',
  'port_not_allowed',
  'robots_denied',
  'not_http',
])

export function judge({ status, failure }: Pick<FetchResult, 'status' | 'failure'>): Verdict {
  if (failure) {
    const { transient } = FAILURES[failure]
    return { is: NOT_CHECKED.has(failure) ? 'skipped' : 'broken', code: failure, isTransient: transient }
  }
  const code = `http_${status}`
  if (status !== null && status < 400) return { is: 'fine', code, isTransient: false }
  return {
    is: REFUSED.has(status ?? 0) ? 'unsure' : 'broken',
    code,
    isTransient: (status ?? 0) >= 500 || status === 408,
  }
}

/** Many servers answer HEAD wrongly or not at all, so GET is tried before such an answer counts. */
export const isHeadUnreliable = ({ status, failure }: Pick<FetchResult, 'status' | 'failure'>): boolean =>
  status === null
    ? failure === 'connection_lost' || failure === 'bad_answer'
    : status >= 400 && status !== 429
