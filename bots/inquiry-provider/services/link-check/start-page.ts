/** Opens the page the person named. Without it there is nothing to report, so here a bad answer ends the run. */
import { STATUS_CODES } from 'node:http'
import { linkCheck } from '../../../../core/catalog/link-check.ts'
import { messageBuilder } from '../../../../core/catalog/service-messages.ts'
import { BotFailure } from '../../../bot-failure.ts'
import { normalizeUrl } from './extract-links.ts'
import type { Failure } from './failure.ts'
import type { Answer, Fetcher, Page } from './fetcher.ts'
import { judge } from './verdict.ts'

const localized = messageBuilder(linkCheck)

export type StartPage = Answer & { page: Page }

/** The site is there, but what it says leads to no page. */
const NOT_THE_SITES_ABSENCE: ReadonlySet<Failure> = new Set([
  'bad_answer',
  'bad_redirect',
  'redirect_loop',
  'too_many_redirects',
  'not_http',
])

/** @throws BotFailure `invalid_url` when it is no web address without a password */
export function readStartUrl(given: unknown): string {
  const url = typeof given === 'string' && URL.canParse(given) ? new URL(given) : null
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
  if (failure && NOT_THE_SITES_ABSENCE.has(failure)) {
    throw new BotFailure('start_page_failed', localized('start_page_failed', { why: failure }))
  }
  if (failure) {
    // Its owner has to mend a certificate first; all else may be a matter of minutes.
    const retryable = failure !== 'tls_failed'
    throw new BotFailure('site_unreachable', localized('site_unreachable', { why: failure }), { retryable })
  }
  if (status === null || status >= 300) {
    const retryable = status !== null && (status >= 500 || status === 408 || status === 429)
    const says = `${status} ${STATUS_CODES[status ?? 0] ?? ''}`.trim()
    throw new BotFailure('start_page_failed', localized('start_page_answers', { answer: says }), {
      retryable,
    })
  }
  if (!page) throw new BotFailure('not_html', localized('not_html'))
  return { ...answer, page }
}
