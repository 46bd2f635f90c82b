/**
 * `link-check`: crawls a site and reports the links that are broken, moved or slow.
 *
 * Built on undici and htmlparser2 rather than on linkinator (7.6.1 is its line for Node 20), which is made of the same
 * parts but uses the global `fetch`. It takes no dispatcher, so no address can be refused where the connection is opened; no
 * AbortSignal, so a cancelled run would continue; and it has no limit of pages.
 *
 * Not checked: robots.txt (like every link checker it is meant for one's own site), whether the target of a `#fragment`
 * exists, and links that a script creates.
 */

import type { LocalizedMessage } from '../../../core/domain/message.ts'
import { BotFailure } from '../../bot-failure.ts'
import { type BotService, type DataOf, defineService, type Handle } from '../../bot-server/define-service.ts'
import { messageBuilder } from '../../bot-server/messages.ts'
import type { ExampleSettings } from '../settings.ts'
import { type CrawlState, crawl } from './crawl.ts'
import { definition } from './definition.ts'
import { createFetcher } from './fetcher.ts'
import { LIMITS, type Limits } from './limits.ts'
import { createProgress } from './progress.ts'
import { type Connect, connectPublicOnly } from './public-only.ts'
import { type LinkFindings, type Report, writeReport } from './report.ts'
import { openStartPage, parseStartUrl } from './start-page.ts'

const localized = messageBuilder(definition)

export const createService = (settings: Pick<ExampleSettings, 'linkCheckAllowPrivate'>): BotService =>
  defineService(definition, createLinkCheck({ allowPrivate: settings.linkCheckAllowPrivate }))

interface Options {
  /** Also check sites on this machine and in private networks. */
  allowPrivate: boolean
  limits?: Partial<Limits>
  /** Opens connections where private addresses are refused; tests replace it. */
  connect?: Connect
}

export function createLinkCheck({
  allowPrivate,
  limits: given,
  connect = connectPublicOnly(),
}: Options): Handle<DataOf<typeof definition>> {
  const limits: Limits = { ...LIMITS, ...given }

  return async (data, request) => {
    const startUrl = parseStartUrl(data.url)
    const refused = new AbortController()
    const timeout = new AbortController()
    const timer = setTimeout(() => timeout.abort(timeoutFailure()), limits.totalMs)
    const stop = AbortSignal.any([request.signal, refused.signal])
    const fetcher = createFetcher({
      connect: allowPrivate ? undefined : connect,
      signal: AbortSignal.any([stop, timeout.signal]),
      limits,
    })
    const progress = createProgress({
      request,
      everyMs: limits.reportEveryMs,
      onRefused: (error) => refused.abort(error),
    })

    const check = async (): Promise<Report> => {
      const startedAt = performance.now()
      await progress.startStep('fetching_start_page', {
        progress: 1,
        message: localized('opening_site', { host: new URL(startUrl).host }),
      })
      const start = await openStartPage(fetcher, startUrl)
      await progress.startStep('crawling', { progress: 5, message: localized('start_page_read') })
      const findings: LinkFindings = {
        settled: [],
        broken: [],
        skipped: [],
        pagesRead: 0,
        notChecked: 0,
        truncations: new Set(),
      }
      const changed = (state: CrawlState): void =>
        progress.report({ progress: toProgress(state), message: describe(state) })
      await crawl({
        startUrl,
        start,
        fetcher,
        limits,
        findings,
        onChange: changed,
        timeout: timeout.signal,
      })
      await progress.startStep('summarizing', { progress: 97, message: summarize(findings) })
      const report = writeReport(startUrl, findings, performance.now() - startedAt)
      const {
        pages_checked: pages,
        links_checked: links,
        broken_total: broken,
        truncated_code: truncated,
      } = report
      request.log.info({ pages, links, broken, truncated, seconds: report.duration_seconds }, 'site checked')
      return report
    }

    try {
      return await orAborted(stop, check())
    } finally {
      clearTimeout(timer)
      progress.stop()
      await fetcher.close()
    }
  }
}

/** Fails a run whose start page was not read in time; a later timeout ends the crawl, not the run. */
const timeoutFailure = (): BotFailure =>
  new BotFailure('site_unreachable', localized('site_unreachable', { why: 'timed_out' }), { retryable: true })

/** From 5 to 95, by pages read of pages found. */
const toProgress = ({ pagesRead, pagesFound }: CrawlState): number =>
  5 + (90 * pagesRead) / Math.max(1, pagesFound)

function describe({
  site,
  pagesRead,
  pagesFound,
  linksLeft,
  broken,
  lastBroken,
}: CrawlState): LocalizedMessage {
  // Links left are shown once all pages are read: before, each page adds further ones.
  const left = pagesRead >= pagesFound ? linksLeft : 0
  const counts = { read: pagesRead, found: pagesFound, left, broken }
  if (!lastBroken) return localized('pages_read', counts)
  const { link, status } = lastBroken
  return localized('pages_read_last_broken', {
    ...counts,
    page: site.show(link.foundOn ?? ''),
    link: site.show(link.url),
    status: status ?? 0,
  })
}

const summarize = ({ pagesRead, broken }: LinkFindings): LocalizedMessage =>
  localized('summarizing', { read: pagesRead, broken: broken.length })

/** Settles with `work`, or rejects with the signal's reason as soon as it fires. */
function orAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
