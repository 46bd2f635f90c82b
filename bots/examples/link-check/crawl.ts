/**
 * Crawls a site: reads its pages, several concurrently, follows their links to further pages, and checks every other link
 * without following it. Requests go out in the order in which links are found, so a page's links are checked soon after it.
 */
import { extractLinks } from './extract-links.ts'
import type { Fetcher, FetchResult } from './fetcher.ts'
import { createFrontier, type Frontier, type Target } from './frontier.ts'
import type { Limits } from './limits.ts'
import type { LinkFinding, LinkFindings } from './report.ts'
import { createSite, type Site } from './site.ts'
import type { StartPage } from './start-page.ts'
import { isHeadUnreliable, judge, type Verdict } from './verdict.ts'

/** For progress reports. */
export interface CrawlState {
  site: Site
  pagesRead: number
  pagesFound: number
  /** Including pages. */
  linksFound: number
  linksLeft: number
  broken: number
  lastBroken: LinkFinding | null
  lastChecked: string
}

interface CrawlOptions {
  startUrl: string
  start: StartPage
  fetcher: Fetcher
  limits: Limits
  /** Filled during the crawl. */
  findings: LinkFindings
  onChange: (state: CrawlState) => void
  /** When it fires, the crawl resolves with what it has found. When the fetcher's own signal fires, it rejects. */
  timeout: AbortSignal
}

export async function crawl(options: CrawlOptions): Promise<void> {
  const { startUrl, start, limits, findings, timeout } = options
  const site = createSite(start.url)
  const frontier = createFrontier(site, limits, findings)
  const { visit, settle } = createVisitor(options, site, frontier)
  const running = new Set<Promise<void>>()

  function startVisit(target: Target): void {
    const visiting = visit(target).finally(() => {
      running.delete(visiting)
      frontier.release(target)
    })
    running.add(visiting)
  }

  settle(frontier.addStart(startUrl), start)
  try {
    for (;;) {
      while (running.size < limits.concurrency) {
        const target = frontier.take()
        if (!target) break
        startVisit(target)
      }
      if (running.size === 0) break
      await Promise.race(running)
    }
  } catch (error) {
    if (error !== timeout.reason) throw error
    findings.truncations.add('time_limit')
  } finally {
    await Promise.allSettled(running)
  }
  findings.notChecked += frontier.size - findings.settled.length
}

/** Requests targets, and records what their answers say. */
function createVisitor({ fetcher, findings, onChange }: CrawlOptions, site: Site, frontier: Frontier) {
  const read = new Set<string>()
  /** By origin. A failed lookup may take seconds, and a thousand links may have the same host name. */
  const lookupFailures = new Map<string, FetchResult>()

  async function visit(target: Target): Promise<void> {
    const { url, origin, isPage, wasRequested } = target
    const failedLookup = lookupFailures.get(origin)
    if (failedLookup) return settle(target, { ...failedLookup, url })
    const isWanted = (landed: string): boolean => isPage && site.contains(landed) && !read.has(landed)
    let answer = await fetcher.request(url, isPage || wasRequested ? 'GET' : 'HEAD', isWanted)
    if (!isPage && !wasRequested && isHeadUnreliable(answer)) answer = await fetcher.request(url, 'GET')
    if (judge(answer).isTransient && !wasRequested) {
      // Retried at the end of the queue: by then some time has passed.
      target.wasRequested = true
      return frontier.retry(target)
    }
    if (answer.redirects.length === 0 && LOOKUP_FAILURES.has(answer.failure))
      lookupFailures.set(origin, answer)
    settle(target, answer)
  }

  function settle(target: Target, answer: FetchResult): void {
    const verdict = judge(answer)
    if (verdict.is === 'skipped') findings.skipped.push({ url: target.url, code: verdict.code })
    const finding = toFinding(target, answer, verdict)
    findings.settled.push(finding)
    if (verdict.is === 'broken') findings.broken.push(finding)
    if (answer.page && !read.has(answer.url)) readLinks(answer.url, answer.page)
    else if (target.isPage) frontier.countPageAsLink()
    onChange({
      site,
      pagesRead: findings.pagesRead,
      pagesFound: frontier.pages,
      linksFound: frontier.size,
      linksLeft: frontier.size - findings.settled.length,
      broken: findings.broken.length,
      lastBroken: findings.broken.at(-1) ?? null,
      lastChecked: target.url,
    })
  }

  function readLinks(url: string, { html, charset, isCut }: StartPage['page']): void {
    read.add(url)
    findings.pagesRead++
    if (isCut) findings.skipped.push({ url, code: 'page_cut' })
    for (const link of extractLinks(html, { url, charset })) {
      const target = frontier.add(link, url)
      if (target && !link.valid) settle(target, INVALID)
    }
  }

  return { visit, settle }
}

const LOOKUP_FAILURES: ReadonlySet<FetchResult['failure']> = new Set([
  'dns_failed',
  'dns_unavailable',
  'private_address',
])

const INVALID: FetchResult = {
  url: '',
  redirects: [],
  status: null,
  failure: 'invalid_address',
  page: null,
  milliseconds: 0,
}

/** Without the page itself, which would stay in memory until the end. */
function toFinding(
  link: Target,
  { status, redirects, url, milliseconds }: FetchResult,
  verdict: Verdict,
): LinkFinding {
  return { link, verdict, status, redirects, endedAt: url, milliseconds }
}
