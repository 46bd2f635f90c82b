/**
 * The findings of a run, and its report. Lists are bounded so that the JSON fits into a record; each has a total, so that a
 * cut is visible.
 */
import type { FetchResult } from './fetcher.ts'
import { TRUNCATIONS, type Truncation } from './reasons.ts'
import type { Verdict } from './verdict.ts'

/** The first page with the link, and the number of further ones, if any. `found_on` is null for the start page. */
interface Occurrences {
  found_on: string | null
  also_on?: number
}
type Problem = { url: string; status: number | null; code: string } & Occurrences

export interface Report {
  start_url: string
  /** HTML pages whose links were followed. */
  pages_checked: number
  /** Different addresses that were requested, including these pages. */
  links_checked: number
  /** Addresses that were found but not requested, see `truncated_code`. */
  links_not_checked: number
  broken: Problem[]
  broken_total: number
  /** 401, 403, 429 …: a person with a browser may see a page. Not counted as broken. */
  unsure: Problem[]
  unsure_total: number
  /** `status` is the first redirect's, `to` where the last one led. */
  redirected: ({ url: string; to: string; status: number } & Occurrences)[]
  redirected_total: number
  slowest: { url: string; seconds: number }[]
  skipped: { url: string; code: string }[]
  skipped_total: number
  /** Why not everything was checked; null when everything was. */
  truncated_code: Truncation | null
  duration_seconds: number
}

const MAX_ENTRIES = { broken: 500, unsure: 100, redirected: 200, skipped: 100, slowest: 10 } as const
const URL_LENGTH = 500
/** Well below the 256 kB limit of a result. */
const REPORT_BYTES = 200_000

/** The outcome for one address. */
export interface LinkFinding {
  /** `alsoOn` still grows during the run. */
  link: { url: string; foundOn: string | null; alsoOn: number }
  verdict: Verdict
  status: number | null
  redirects: FetchResult['redirects']
  endedAt: string
  milliseconds: number
}

export interface LinkFindings {
  settled: LinkFinding[]
  broken: LinkFinding[]
  skipped: { url: string; code: string }[]
  pagesRead: number
  notChecked: number
  truncations: Set<Truncation>
}

export function writeReport(startUrl: string, findings: LinkFindings, durationMs: number): Report {
  const checked = findings.settled.filter(({ verdict }) => verdict.is !== 'skipped').sort(byPage)
  const broken = checked.filter(({ verdict }) => verdict.is === 'broken')
  const unsure = checked.filter(({ verdict }) => verdict.is === 'unsure')
  const redirected = checked.filter(({ verdict, redirects }) => verdict.is === 'fine' && redirects.length > 0)
  const slowest = checked
    .filter(({ status }) => status !== null)
    .sort((a, b) => b.milliseconds - a.milliseconds)
  const truncation = TRUNCATIONS.map(({ value }) => value).find((code) => findings.truncations.has(code))

  // The lists take their share of the bytes in this order: `slowest`, the shortest one, first.
  const take = createBudget(REPORT_BYTES)
  const slowestFew = take(
    MAX_ENTRIES.slowest,
    slowest.map(({ link, milliseconds }) => ({
      url: cut(link.url),
      seconds: Math.round(milliseconds / 10) / 100,
    })),
  )
  return {
    start_url: cut(startUrl),
    pages_checked: findings.pagesRead,
    links_checked: checked.length,
    links_not_checked: findings.notChecked,
    broken: take(MAX_ENTRIES.broken, broken.map(toProblem)),
    broken_total: broken.length,
    unsure: take(MAX_ENTRIES.unsure, unsure.map(toProblem)),
    unsure_total: unsure.length,
    redirected: take(MAX_ENTRIES.redirected, redirected.map(toRedirected)),
    redirected_total: redirected.length,
    slowest: slowestFew,
    skipped: take(
      MAX_ENTRIES.skipped,
      findings.skipped.map(({ url, code }) => ({ url: cut(url), code })),
    ),
    skipped_total: findings.skipped.length,
    truncated_code: truncation ?? null,
    duration_seconds: Math.round(durationMs / 1000),
  }
}

/** By page, so that pages can be repaired one after the other. The order is deterministic. */
function byPage(a: LinkFinding, b: LinkFinding): number {
  const [one, other] = [`${a.link.foundOn ?? ''} ${a.link.url}`, `${b.link.foundOn ?? ''} ${b.link.url}`]
  return one < other ? -1 : one > other ? 1 : 0
}

const toOccurrences = ({ link }: LinkFinding): Occurrences => ({
  found_on: link.foundOn && cut(link.foundOn),
  ...(link.alsoOn > 0 && { also_on: link.alsoOn }),
})

function toProblem(finding: LinkFinding): Problem {
  const { link, status, verdict } = finding
  return { url: cut(link.url), status, code: verdict.code, ...toOccurrences(finding) }
}

function toRedirected(finding: LinkFinding): Report['redirected'][number] {
  const { link, redirects, endedAt } = finding
  return {
    url: cut(link.url),
    to: cut(endedAt),
    status: redirects[0]?.status ?? 0,
    ...toOccurrences(finding),
  }
}

/** Takes entries of each list up to its maximum and to the bytes that are left of the budget. */
function createBudget(bytes: number) {
  let left = bytes
  return <T>(maxEntries: number, entries: T[]): T[] => {
    const taken: T[] = []
    for (const entry of entries.slice(0, maxEntries)) {
      left -= Buffer.byteLength(JSON.stringify(entry)) + 1
      if (left < 0) break
      taken.push(entry)
    }
    return taken
  }
}

const cut = (url: string): string => url.slice(0, URL_LENGTH)
