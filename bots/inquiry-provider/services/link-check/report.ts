/**
 * What a run found out, and the report made of it. Lists are bounded so that the JSON always fits into a record; each
 * has a total beside it, so nothing is cut in silence.
 */
import type { Answer } from './fetcher.ts'
import type { Verdict } from './verdict.ts'

/** Where a link was seen: the first page, and how many more. `found_on` is null for the start page itself. */
interface Seen {
  found_on: string | null
  also_on: number
}
type Problem = { url: string; status: number | null; code: string; reason: string } & Seen

const TRUNCATIONS = {
  time_limit: 'The time was over before everything was checked.',
  link_limit: 'The site has more links than are checked in one run.',
  page_limit: 'The site has more pages than are read in one run; the links to the others were checked.',
} as const
type Truncation = keyof typeof TRUNCATIONS

export interface Report {
  start_url: string
  /** HTML pages whose links were followed. */
  pages_checked: number
  /** Different addresses that were asked for, those pages among them. */
  links_checked: number
  /** Addresses that were found but left out, see `truncated`. */
  links_not_checked: number
  broken: Problem[]
  broken_total: number
  /** A person may see a page where we were kept out: 401, 403, 429 … Not counted as broken. */
  unsure: Problem[]
  unsure_total: number
  /** `status` is the first redirect's, `to` where the last one led. */
  redirected: ({ url: string; to: string; status: number } & Seen)[]
  redirected_total: number
  slowest: { url: string; milliseconds: number }[]
  skipped: { url: string; reason: string }[]
  skipped_total: number
  /** In one sentence why not everything was checked; null when it was. */
  truncated: string | null
  truncated_code: Truncation | null
  duration_seconds: number
}

const AT_MOST = { broken: 500, unsure: 100, redirected: 200, skipped: 100, slowest: 10 } as const
const URL_LENGTH = 500
/** Well below the 256 kB that a record keeps. */
const REPORT_BYTES = 200_000

/** One address that a run is done with. */
export interface Finding {
  /** Where it was seen may still grow while the run goes on. */
  link: { url: string; foundOn: string | null; alsoOn: number }
  verdict: Verdict
  status: number | null
  redirects: Answer['redirects']
  endedAt: string
  milliseconds: number
}

/** All a run has found out so far. */
export interface Findings {
  settled: Finding[]
  broken: Finding[]
  skipped: { url: string; reason: string }[]
  pagesRead: number
  notChecked: number
  truncations: Set<Truncation>
}

export function writeReport(startUrl: string, findings: Findings, durationMs: number): Report {
  const checked = findings.settled.filter(({ verdict }) => verdict.is !== 'skipped').sort(byPlace)
  const broken = checked.filter(({ verdict }) => verdict.is === 'broken')
  const unsure = checked.filter(({ verdict }) => verdict.is === 'unsure')
  const redirected = checked.filter(({ verdict, redirects }) => verdict.is === 'fine' && redirects.length > 0)
  const slowest = checked
    .filter(({ status }) => status !== null)
    .sort((a, b) => b.milliseconds - a.milliseconds)
  const why =
    (Object.keys(TRUNCATIONS) as Truncation[]).find((code) => findings.truncations.has(code)) ?? null

  // In this order the lists take their share of the bytes: the few slowest first, then as they stand.
  const take = createBudget(REPORT_BYTES)
  const slowestFew = take(
    AT_MOST.slowest,
    slowest.map(({ link, milliseconds }) => ({ url: cut(link.url), milliseconds })),
  )
  return {
    start_url: cut(startUrl),
    pages_checked: findings.pagesRead,
    links_checked: checked.length,
    links_not_checked: findings.notChecked,
    broken: take(AT_MOST.broken, broken.map(toProblem)),
    broken_total: broken.length,
    unsure: take(AT_MOST.unsure, unsure.map(toProblem)),
    unsure_total: unsure.length,
    redirected: take(AT_MOST.redirected, redirected.map(toRedirected)),
    redirected_total: redirected.length,
    slowest: slowestFew,
    skipped: take(
      AT_MOST.skipped,
      findings.skipped.map(({ url, reason }) => ({ url: cut(url), reason })),
    ),
    skipped_total: findings.skipped.length,
    truncated: why && TRUNCATIONS[why],
    truncated_code: why,
    duration_seconds: Math.round(durationMs / 1000),
  }
}

/** Page by page, so that its owner can mend one after the other; the same site always gives the same report. */
function byPlace(a: Finding, b: Finding): number {
  const [one, other] = [`${a.link.foundOn ?? ''} ${a.link.url}`, `${b.link.foundOn ?? ''} ${b.link.url}`]
  return one < other ? -1 : one > other ? 1 : 0
}

const seen = ({ link }: Finding): Seen => ({
  found_on: link.foundOn && cut(link.foundOn),
  also_on: link.alsoOn,
})

function toProblem(finding: Finding): Problem {
  const { link, status, verdict } = finding
  return { url: cut(link.url), status, code: verdict.code, reason: verdict.reason, ...seen(finding) }
}

function toRedirected(finding: Finding): Report['redirected'][number] {
  const { link, redirects, endedAt } = finding
  return { url: cut(link.url), to: cut(endedAt), status: redirects[0]?.status ?? 0, ...seen(finding) }
}

/** Takes from each list as much as its number and the bytes that are left allow. */
function createBudget(bytes: number) {
  let left = bytes
  return <T>(atMost: number, entries: T[]): T[] => {
    const taken: T[] = []
    for (const entry of entries.slice(0, atMost)) {
      left -= Buffer.byteLength(JSON.stringify(entry)) + 1
      if (left < 0) break
      taken.push(entry)
    }
    return taken
  }
}

const cut = (url: string): string => url.slice(0, URL_LENGTH)
