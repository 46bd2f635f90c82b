/**
 * `link-check`: crawls a site and reports the links that are broken, moved or slow.
 *
 * Built on undici and htmlparser2 rather than on linkinator (7.6.1 is its line for Node 20), which is made of the same
 * parts but uses the global `fetch`. It takes no dispatcher, so no address can be refused where the connection is opened; no
 * AbortSignal, so a cancelled run would continue; and it has no limit of pages.
 *
 * Not checked: whether the target of a `#fragment` exists, and links that a script creates.
 */

import type { LocalizedMessage } from '../../../core/domain/message.ts'
import { type Connect, connectPublicOnly } from '../../../core/runtime/public-only.ts'
import { BotFailure } from '../../bot-failure.ts'
import {
  type BotRequest,
  type BotService,
  type DataOf,
  defineService,
  type Handle,
} from '../../bot-server/define-service.ts'
import { messageBuilder } from '../../bot-server/messages.ts'
import type { ExampleSettings } from '../settings.ts'
import { type CrawlState, crawl } from './crawl.ts'
import { definition } from './definition.ts'
import { createFetcher } from './fetcher.ts'
import { LIMITS, type Limits } from './limits.ts'
import { createProgress, type Progress } from './progress.ts'
import { type LinkFindings, type Report, writeReport } from './report.ts'
import { createSitePace, orAborted, type SitePace } from './site-pace.ts'
import { openStartPage, parseStartUrl } from './start-page.ts'

const localized = messageBuilder(definition)

export const createService = ({ linkCheck }: Pick<ExampleSettings, 'linkCheck'>): BotService =>
  defineService(definition, createLinkCheck(linkCheck))

type Options = ExampleSettings['linkCheck'] & {
  limits?: Partial<Limits>
  /** Opens connections where private addresses are refused; tests replace it. */
  connect?: Connect
}

export function createLinkCheck({
  allowPrivate,
  ports,
  respectRobots,
  requestsPerSecond,
  limits: given,
  connect = connectPublicOnly(),
}: Options): Handle<DataOf<typeof definition>> {
  const limits: Limits = { ...LIMITS, ...given }
  const pace = createSitePace({ requestsPerSecond })

  return async (data, request) => {
    const startUrl = parseStartUrl(data.url)
    const refused = new AbortController()
    const timeout = new AbortController()
    const { host } = new URL(startUrl)
    const stop = AbortSignal.any([request.signal, refused.signal])
    const fetcher = createFetcher({
      connect: allowPrivate ? undefined : connect,
      ports: allowPrivate ? null : ports,
      respectRobots,
      pace,
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
        message: localized('opening_site', { host }),
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
      logReport(request.log, report)
      return report
    }

    let timer: NodeJS.Timeout | undefined
    const run = (): Promise<Report> => {
      timer = setTimeout(() => timeout.abort(timeoutFailure()), limits.totalMs)
      return orAborted(stop, check())
    }
    try {
      return await inTurn(run, { pace, host, progress, signal: stop, waitMs: limits.waitMs })
    } finally {
      clearTimeout(timer)
      progress.stop()
      await fetcher.close()
    }
  }
}

function logReport(log: BotRequest['log'], report: Report): void {
  const {
    pages_checked: pages,
    links_checked: links,
    broken_total: broken,
    truncated_code: truncated,
  } = report
  log.info({ pages, links, broken, truncated, seconds: report.duration_seconds }, 'site checked')
}

interface Turn {
  pace: SitePace
  host: string
  progress: Progress
  signal: AbortSignal
  waitMs: number
}

/** Runs once no other run of the site goes on. @throws BotFailure `site_busy` when they take too long */
async function inTurn<T>(run: () => Promise<T>, { pace, host, progress, signal, waitMs }: Turn): Promise<T> {
  if (pace.isBusy(host))
    await progress.startStep('fetching_start_page', {
      progress: 1,
      message: localized('waiting_for_site', { host }),
    })
  const timeout = AbortSignal.timeout(waitMs)
  const endRun = await pace.startRun(host, AbortSignal.any([signal, timeout])).catch((error: unknown) => {
    if (error !== timeout.reason) throw error
    throw new BotFailure('site_busy', localized('site_busy', { host }), { retryable: true })
  })
  try {
    return await run()
  } finally {
    endRun()
  }
}

/** Fails a run whose start page was not read in time; a later timeout ends the crawl, not the run. */
const timeoutFailure = (): BotFailure =>
  new BotFailure('site_unreachable', localized('site_unreachable', { why: 'timed_out' }), { retryable: true })

/** From 5 to 95, by links checked of links found: after the last page there may be many left. */
const toProgress = ({ linksFound, linksLeft }: CrawlState): number =>
  5 + (90 * (linksFound - linksLeft)) / Math.max(1, linksFound)

function describe({
  site,
  pagesRead,
  pagesFound,
  linksLeft,
  broken,
  lastBroken,
  lastChecked,
}: CrawlState): LocalizedMessage {
  // Links left are shown once all pages are read: before, each page adds further ones.
  const left = pagesRead >= pagesFound ? linksLeft : 0
  const counts = { read: pagesRead, found: pagesFound, left }
  return lastBroken
    ? localized('pages_read_last_broken', { ...counts, broken, link: site.show(lastBroken.link.url) })
    : localized('pages_read', { ...counts, link: site.show(lastChecked) })
}

const summarize = ({ pagesRead, broken }: LinkFindings): LocalizedMessage =>
  localized('summarizing', { read: pagesRead, broken: broken.length })
