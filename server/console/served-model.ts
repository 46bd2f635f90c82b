/** Whether people are served, and if not, why: the first words of the Now page. */
import type { Catalog } from '../../core/catalog/catalog.ts'
import type { ConsoleTexts } from '../../core/i18n/console-texts.ts'
import type { ConsoleKey } from '../../core/i18n/en-console.ts'
import { describeFaults } from '../../core/presentation/describe-fault.ts'
import { formatDuration } from '../../core/presentation/format-duration.ts'
import type { EndsOfMinute } from '../../core/store/end-counts.ts'
import { MAX_SHARE } from '../../core/store/memory-limit.ts'
import type { Snapshot } from './data.ts'
import { serviceTitle } from './safe-text.ts'

export interface Complaint {
  name: string
  words: string
  /** The page that shows more. */
  href: string | null
}

export function servedModel(
  snapshot: Snapshot,
  { catalog, texts }: { catalog: Catalog; texts: ConsoleTexts },
) {
  const { t } = texts
  const { checks, warnings } = snapshot.readiness
  const complaints: Complaint[] = Object.entries({ ...checks, ...warnings })
    .filter(([, faults]) => faults.length > 0)
    .map(([name, faults]) => ({
      name: t(`console.check.${name}` as ConsoleKey),
      words: describeFaults(faults, texts),
      href: null,
    }))
  complaints.push(
    ...processComplaints(snapshot, texts),
    ...failureComplaints(snapshot, { catalog, texts }),
    ...waitComplaints(snapshot, texts),
  )
  const share = unservedShare(snapshot, catalog)
  const isPartly = share > 0 || areNewRefused(snapshot)
  const state = share === 1 ? 'no' : isPartly ? 'partly' : complaints.length > 0 ? 'warned' : 'yes'
  return { state, words: t(`console.served.${state}`), complaints } as const
}

/** The share of the services whose requests wait for a worker or a bot, or cannot be stored; 0 to 1. */
function unservedShare(snapshot: Snapshot, catalog: Catalog): number {
  const { readiness, workers } = snapshot
  const services = catalog.all()
  if (!areSignsTaken(snapshot) || services.length === 0) return 1
  const untaken = new Set(
    readiness.checks.workers.length === 0
      ? []
      : (workers ?? []).flatMap(({ queue, silentSeconds }) => (silentSeconds === null ? [queue] : [])),
  )
  const unserved = services.filter(
    ({ slug, queue }) => untaken.has(queue.name) || catalog.isSilent(slug) || catalog.isStopping(slug),
  )
  return unserved.length / services.length
}

/** The last part of the memory is for the requests that exist. */
const areNewRefused = ({ readiness: { warnings } }: Snapshot): boolean =>
  (warnings.memory ?? []).some(({ params }) => Number(params?.percent) >= MAX_SHARE * 100)

/** Signs of life of workers are writes: where Redis refuses those, all of them are silent. */
export const areSignsTaken = ({ readiness: { checks } }: Snapshot): boolean =>
  checks.redis.length === 0 && checks.writes.length === 0

function processComplaints(snapshot: Snapshot, { t }: ConsoleTexts): Complaint[] {
  const silent = (snapshot.processes ?? []).filter(({ isSilent }) => isSilent)
  const [longest] = silent.sort((a, b) => b.silentSeconds - a.silentSeconds)
  if (!longest || !areSignsTaken(snapshot)) return []
  const words = t('console.worker_silent', {
    count: silent.length,
    worker: longest.name,
    duration: formatDuration(t, longest.silentSeconds),
  })
  return [{ name: t('console.check.workers'), words, href: '#workers' }]
}

function failureComplaints(
  { ends, failures }: Snapshot,
  { catalog, texts: { t, locale } }: { catalog: Catalog; texts: ConsoleTexts },
): Complaint[] {
  return failingServices(ends ?? []).flatMap(({ slug, failed, ended, since }) => {
    const service = serviceTitle(catalog, slug, locale)
    const codes = (failures ?? [])
      .filter((one) => one.service_slug === slug && Date.parse(one.failed_at) >= since)
      .map(({ code }) => code)
    const code = mostFrequent(codes)
    if (service === null || code === undefined) return []
    const words = t('console.failing', { service, failed, ended, code })
    const href = `/admin/failed?code=${encodeURIComponent(code)}`
    return [{ name: t('console.check.failures'), words, href }]
  })
}

/** As of the alert HalfwayRequestsWaitTooLong. */
const LONG_WAIT_SECONDS = 300

function waitComplaints({ queues }: Snapshot, { t }: ConsoleTexts): Complaint[] {
  return (queues ?? []).flatMap(({ queue, oldest_seconds }) => {
    if (oldest_seconds === null || oldest_seconds <= LONG_WAIT_SECONDS) return []
    const words = t('console.waits_long', { queue, duration: formatDuration(t, oldest_seconds) })
    return [{ name: t('console.check.waiting'), words, href: '/admin/queues' }]
  })
}

const RECENT_MINUTES = 2
const MIN_FAILED = 3

/**
 * Of which services more requests fail than usual in the present minute and the one before: more than half, or more than one
 * in ten and three times the share of the hour.
 */
export function failingServices(
  ends: readonly EndsOfMinute[],
): { slug: string; failed: number; ended: number; since: number }[] {
  const recent = ends.slice(-RECENT_MINUTES)
  const earlier = ends.slice(0, -RECENT_MINUTES)
  const slugs = new Set(recent.flatMap(({ byService }) => [...byService.keys()]))
  return [...slugs].flatMap((slug) => {
    const { failed, ended } = sumOf(recent, slug)
    const share = failed / ended
    const before = sumOf(earlier, slug)
    const usual = before.ended === 0 ? 0 : before.failed / before.ended
    if (failed < MIN_FAILED || !(share > 0.5 || (share > 0.1 && share > 3 * usual))) return []
    return [{ slug, failed, ended, since: recent[0]?.at ?? 0 }]
  })
}

/** Without those that were cancelled. */
function sumOf(minutes: readonly EndsOfMinute[], slug: string): { failed: number; ended: number } {
  let failed = 0
  let ended = 0
  for (const { byService } of minutes) {
    const counts = byService.get(slug)
    failed += counts?.failed ?? 0
    ended += (counts?.failed ?? 0) + (counts?.completed ?? 0)
  }
  return { failed, ended }
}

function mostFrequent(codes: readonly string[]): string | undefined {
  const counts = new Map<string, number>()
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0]
}
