/** The addresses that a crawl has found, each once and in order, within the limits of pages, links and connections. */
import type { Link } from './extract-links.ts'
import type { Limits } from './limits.ts'
import type { LinkFindings } from './report.ts'
import type { Site } from './site.ts'

export interface Target {
  url: string
  origin: string
  /** The address looks like a page of the site; the answer shows whether it is one. */
  isPage: boolean
  foundOn: string | null
  alsoOn: number
  /** It was requested before: a transient failure is retried only once. */
  wasRequested: boolean
}

export interface Frontier {
  /** Number of addresses. */
  readonly size: number
  /** Number of those that are pages. */
  readonly pages: number
  /** The start page, which is read already. */
  addStart(url: string): Target
  /** @returns the new target; null for an address that is known or beyond the limits. Only a valid one is queued. */
  add(link: Link, page: string): Target | null
  /** Queues a target again, at the end. */
  retry(target: Target): void
  /** The first target whose server may be sent another request; null when there is none. To be released afterwards. */
  take(): Target | null
  release(target: Target): void
  /** Counts one page as a link: it is no page, or one that was read under another address. */
  countPageAsLink(): void
}

/** @param findings notes what is left out because of the limits */
export function createFrontier(site: Site, limits: Limits, findings: LinkFindings): Frontier {
  const targets = new Map<string, Target>()
  const queue: Target[] = []
  const runningByOrigin = new Map<string, number>()
  let pages = 0
  let links = 0

  const runningAt = (origin: string): number => runningByOrigin.get(origin) ?? 0
  const isFree = ({ origin }: Target): boolean =>
    origin === site.origin || runningAt(origin) < limits.concurrencyPerForeignServer

  return {
    get size() {
      return targets.size
    },
    get pages() {
      return pages
    },
    addStart(url) {
      const { origin } = new URL(url)
      const target = { url, origin, isPage: true, foundOn: null, alsoOn: 0, wasRequested: true }
      targets.set(url, target)
      pages++
      return target
    },
    add({ url, valid, mayBePage }, page) {
      const known = targets.get(url)
      if (known) {
        known.alsoOn++
        return null
      }
      const isInSite = valid && mayBePage && site.contains(url)
      const isPage = isInSite && pages < limits.pages
      if (isInSite && !isPage) findings.truncations.add('page_limit')
      if (!isPage && links >= limits.links) {
        findings.truncations.add('link_limit')
        findings.notChecked++
        return null
      }
      const origin = valid ? new URL(url).origin : ''
      const target = { url, origin, isPage, foundOn: page, alsoOn: 0, wasRequested: false }
      targets.set(url, target)
      if (isPage) pages++
      else links++
      if (valid) queue.push(target)
      return target
    },
    retry: (target) => void queue.push(target),
    take() {
      const index = queue.findIndex(isFree)
      const target = index < 0 ? undefined : queue.splice(index, 1)[0]
      if (!target) return null
      runningByOrigin.set(target.origin, runningAt(target.origin) + 1)
      return target
    },
    release: ({ origin }) => void runningByOrigin.set(origin, runningAt(origin) - 1),
    countPageAsLink() {
      pages--
      links++
    },
  }
}
