/** Opens the start page. Without it there is nothing to report, so a failure ends the run. */
import { STATUS_CODES } from 'node:http'
import { BotFailure } from '../../bot-failure.ts'
import { messageBuilder } from '../../bot-server/messages.ts'
import { definition } from './definition.ts'
import { normalizeUrl } from './extract-links.ts'
import type { LinkFailure } from './failure.ts'
import type { FetchedPage, Fetcher, FetchResult } from './fetcher.ts'
import { judge } from './verdict.ts'

const localized = messageBuilder(definition)

export type StartPage = FetchResult & { page: FetchedPage }

/** The site answers, but not with a page. */
const START_PAGE_FAILURES: ReadonlySet<LinkFailure> = new Set([
  'bad_answer',
  'bad_redirect',
  'redirect_loop',
  'too_many_redirects',
  'not_http',
])

/** @throws BotFailure `invalid_url` when it is no web address without a password */
export function parseStartUrl(input: unknown): string {
  const url = typeof input === 'string' && URL.canParse(input) ? new URL(input) : null
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new BotFailure('invalid_url', localized('invalid_url'))
  }
  return normalizeUrl(url)
}

/** @throws BotFailure `address_not_allowed`, `site_unreachable`, `start_page_failed`, `not_html` */
export async function openStartPage(fetcher: Fetcher, url: string): Promise<StartPage> {
  let answer = await fetcher.request(url, 'GET', () => true)
  if (judge(answer).isTransient) answer = await fetcher.request(url, 'GET', () => true)
  const { failure, status, page } = answer

  if (failure === 'private_address') {
    const redirected = answer.redirects.length > 0 ? 'yes' : 'no'
    throw new BotFailure('address_not_allowed', localized('address_not_allowed', { redirected }))
  }
  if (failure === 'port_not_allowed' || failure === 'robots_denied') {
    throw new BotFailure('address_not_allowed', localized(failure))
  }
  if (failure && START_PAGE_FAILURES.has(failure)) {
    throw new BotFailure('start_page_failed', localized('start_page_failed', { why: failure }))
  }
  if (failure) {
    // An invalid certificate does not repair itself; the other failures may pass within minutes.
    const retryable = failure !== 'tls_failed'
    throw new BotFailure('site_unreachable', localized('site_unreachable', { why: failure }), { retryable })
  }
  if (status === null || status >= 300) {
    const retryable = status !== null && (status >= 500 || status === 408 || status === 429)
    const statusLine = `${status} ${STATUS_CODES[status ?? 0] ?? ''}`.trim()
    throw new BotFailure('start_page_failed', localized('start_page_answers', { answer: statusLine }), {
      retryable,
    })
  }
  if (!page) throw new BotFailure('not_html', localized('not_html'))
  return { ...answer, page }
}
