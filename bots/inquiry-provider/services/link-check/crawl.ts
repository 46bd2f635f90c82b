/**
 * Goes through a site: reads its pages, several at a time, follows their links to further pages, and checks every
 * other link without following it. First seen, first asked, so a page's links are judged soon after the page is read.
 */
import { extractLinks, type Link } from './extract-links.ts'
import type { Answer, Fetcher } from './fetcher.ts'
import type { Limits } from './limits.ts'
import type { Finding, Findings } from './report.ts'
import { type Site, siteOf } from './site.ts'
import type { StartPage } from './start-page.ts'
import { headSaysLittle, judge, type Verdict } from './verdict.ts'

interface Target {
  url: string
  origin: string
  /** A page of the site as far as its address tells; whether it is one, its answer will show. */
  isPage: boolean
  foundOn: string | null
  alsoOn: number
  asked: boolean
}

/** What is there to be told while it goes on. */
export interface CrawlState {
  site: Site
  pagesRead: number
  pagesFound: number
  linksLeft: number
  broken: number
  lastBroken: Finding | null
}

export interface Crawl {
  startUrl: string
  start: StartPage
  fetcher: Fetcher
  limits: Limits
  /** Filled as the crawl goes on. */
  findings: Findings
  changed: (state: CrawlState) => void
  /** When it fires the crawl ends by itself, with what it has; the fetcher's own signal makes it reject. */
  timeIsOver: AbortSignal
}

export async function crawl({
  startUrl,
  start,
  fetcher,
  limits,
  findings,
  changed,
  timeIsOver,
}: Crawl): Promise<void> {
  const site = siteOf(start.url)
  const targets = new Map<string, Target>()
  const queue: Target[] = []
  const atWork = new Map<string, number>()
  const read = new Set<string>()
  const lanes = new Set<Promise<void>>()
  /** Servers whose name leads nowhere: a lookup may take seconds, and a thousand links may name the same one. */
  const nameless = new Map<string, Answer>()
  let pages = 0
  let links = 0

  /** A link on a page that was read: known already, or a new target if the limits allow. */
  function meet({ url, valid, mayBePage }: Link, page: string): void {
    const known = targets.get(url)
    if (known) return void known.alsoOn++
    const inSite = valid && mayBePage && site.contains(url)
    const isPage = inSite && pages < limits.pages
    if (inSite && !isPage) findings.truncations.add('page_limit')
    if (!isPage && links >= limits.links) {
      findings.truncations.add('link_limit')
      return void findings.notChecked++
    }
    const target = {
      url,
      origin: valid ? new URL(url).origin : '',
      isPage,
      foundOn: page,
      alsoOn: 0,
      asked: false,
    }
    targets.set(url, target)
    if (isPage) pages++
    else links++
    if (valid) queue.push(target)
    else settle(target, INVALID)
  }

  /** The first in line whose server has a lane free; null when all that wait must wait on. */
  function take(): Target | null {
    const mayGo = ({ origin }: Target): boolean =>
      origin === site.origin || (atWork.get(origin) ?? 0) < limits.atOnceElsewhere
    const index = queue.findIndex(mayGo)
    return index < 0 ? null : (queue.splice(index, 1)[0] ?? null)
  }

  async function visit(target: Target): Promise<void> {
    const { url, origin, isPage, asked } = target
    const noName = nameless.get(origin)
    if (noName) return settle(target, { ...noName, url })
    const wanted = (landed: string): boolean => isPage && site.contains(landed) && !read.has(landed)
    let answer = await fetcher.ask(url, isPage || asked ? 'GET' : 'HEAD', wanted)
    if (!isPage && !asked && headSaysLittle(answer)) answer = await fetcher.ask(url, 'GET')
    if (judge(answer).isTransient && !asked) {
      // Once more, at the end of the line: until then some time has passed by itself.
      target.asked = true
      queue.push(target)
      return
    }
    if (answer.redirects.length === 0 && NO_NAME.has(answer.failure)) nameless.set(origin, answer)
    settle(target, answer)
  }

  function settle(target: Target, answer: Answer): void {
    const verdict = judge(answer)
    if (verdict.is === 'skipped') findings.skipped.push({ url: target.url, reason: verdict.reason })
    const finding = toFinding(target, answer, verdict)
    findings.settled.push(finding)
    if (verdict.is === 'broken') findings.broken.push(finding)
    if (answer.page && !read.has(answer.url)) readLinks(answer.url, answer.page)
    else if (target.isPage) {
      // No page after all, or one that another address led to before.
      pages--
      links++
    }
    changed({
      site,
      pagesRead: findings.pagesRead,
      pagesFound: pages,
      linksLeft: targets.size - findings.settled.length,
      broken: findings.broken.length,
      lastBroken: findings.broken.at(-1) ?? null,
    })
  }

  function readLinks(url: string, { html, charset, isCut }: StartPage['page']): void {
    read.add(url)
    findings.pagesRead++
    if (isCut)
      findings.skipped.push({ url, reason: 'only the beginning of this page was read: it is too long' })
    for (const link of extractLinks(html, { url, charset })) meet(link, url)
  }

  function open(target: Target): void {
    atWork.set(target.origin, (atWork.get(target.origin) ?? 0) + 1)
    const lane = visit(target).finally(() => {
      lanes.delete(lane)
      atWork.set(target.origin, (atWork.get(target.origin) ?? 1) - 1)
    })
    lanes.add(lane)
  }

  const origin = new URL(startUrl).origin
  const first: Target = { url: startUrl, origin, isPage: true, foundOn: null, alsoOn: 0, asked: true }
  targets.set(startUrl, first)
  pages++
  settle(first, start)
  try {
    for (;;) {
      for (
        let target = lanes.size < limits.atOnce && take();
        target;
        target = lanes.size < limits.atOnce && take()
      )
        open(target)
      if (lanes.size === 0) break
      await Promise.race(lanes)
    }
  } catch (error) {
    if (error !== timeIsOver.reason) throw error
    findings.truncations.add('time_limit')
  } finally {
    await Promise.allSettled(lanes)
  }
  findings.notChecked += targets.size - findings.settled.length
}

const NO_NAME: ReadonlySet<Answer['failure']> = new Set(['dns_failed', 'dns_unavailable', 'private_address'])

const INVALID: Answer = {
  url: '',
  redirects: [],
  status: null,
  failure: 'invalid_address',
  page: null,
  milliseconds: 0,
}

/** Without the page itself, which would stay in memory to the end. */
function toFinding(
  link: Target,
  { status, redirects, url, milliseconds }: Answer,
  verdict: Verdict,
): Finding {
  return { link, verdict, status, redirects, endedAt: url, milliseconds }
}
