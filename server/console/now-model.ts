/** The model of the Now page. */
import type { Catalog } from '../../core/catalog/catalog.ts'
import type { ConsoleTexts } from '../../core/i18n/console-texts.ts'
import { formatDuration } from '../../core/presentation/format-duration.ts'
import type { Memory, RedisServerInfo } from '../../core/redis/server-info.ts'
import { commandName } from '../../core/runtime/command-line.ts'
import type { FailedRequest } from '../../core/store/failed-requests.ts'
import { ANNOUNCE_EVERY_MS } from '../../core/store/service-registry.ts'
import type { WorkerProcess } from '../../core/store/worker-processes.ts'
import { endsChart, rangeChart, totalOf } from './charts.ts'
import type { Snapshot } from './data.ts'
import { codeMeaning, serviceTitle, stepTitle } from './safe-text.ts'
import { areSignsTaken, servedModel } from './served-model.ts'

const HOUR_MS = 3_600_000
/** A bot whose announcement has failed to come this often is marked. */
const MISSED = 3

export function nowModel(
  snapshot: Snapshot,
  { catalog, now, texts }: { catalog: Catalog; now: number; texts: ConsoleTexts },
) {
  const { queues, ends, failures, durations, bots, workers, processes, redis } = snapshot
  const { t, locale } = texts
  const recent = failures?.filter(({ failed_at }) => now - Date.parse(failed_at) < HOUR_MS)
  return {
    served: servedModel(snapshot, { catalog, texts }),
    doctor: `${commandName('npm run cli --', 'halfway')} doctor`,
    totals: queues && {
      waiting: sum(queues.map(({ waiting }) => waiting)),
      running: sum(queues.map(({ running }) => running)),
      oldest: oldestOf(
        queues.map(({ oldest_seconds }) => oldest_seconds),
        texts,
      ),
    },
    ends: ends && {
      chart: endsChart(ends),
      total: sum(ends.map(totalOf)),
      completed: sum(ends.map(({ counts }) => counts.completed)),
      failed: sum(ends.map(({ counts }) => counts.failed)),
      cancelled: sum(ends.map(({ counts }) => counts.cancelled)),
      most: Math.max(...ends.map(totalOf)),
      last: totalOf(ends.at(-2) as (typeof ends)[number]),
    },
    failures: recent && failuresByCode(recent, catalog, texts),
    durations: durations && durationsModel(durations, catalog, texts),
    bots: bots?.map(({ slugs, silentSeconds, ...bot }) => ({
      ...bot,
      services: slugs
        .map((slug) => serviceTitle(catalog, slug, locale) ?? slug)
        .join(locale === 'fa' ? '، ' : ', '),
      lastWord: agoText(silentSeconds, texts),
      isSilent: silentSeconds * 1000 > MISSED * ANNOUNCE_EVERY_MS,
    })),
    workers: workers?.map(({ queue, silentSeconds }) => ({
      queue,
      lastWord: silentSeconds === null ? t('console.no_word') : agoText(silentSeconds, texts),
      isSilent: silentSeconds === null,
    })),
    processes: processes?.map((one) => processRow(one, snapshot, texts)),
    redis: redis?.map((info) => redisModel(info, texts)),
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)

export const agoText = (seconds: number, { t }: ConsoleTexts): string =>
  t('console.ago', { duration: formatDuration(t, seconds) })

function processRow(
  { name, queues, queueCount, running, startedSecondsAgo, silentSeconds, isSilent }: WorkerProcess,
  snapshot: Snapshot,
  texts: ConsoleTexts,
) {
  const { t } = texts
  const lastWord = agoText(silentSeconds, texts)
  const standsStill = isSilent && areSignsTaken(snapshot)
  return {
    name,
    queues: queues.join(', '),
    moreQueues: queueCount > queues.length ? t('console.more', { count: queueCount - queues.length }) : null,
    running,
    started: agoText(startedSecondsAgo, texts),
    lastWord: standsStill ? t('console.stands_still', { lastWord }) : lastWord,
    isSilent: standsStill,
  }
}

function oldestOf(ages: readonly (number | null)[], { t }: ConsoleTexts): string | null {
  const known = ages.filter((age) => age !== null)
  return known.length === 0 ? null : formatDuration(t, Math.max(...known))
}

export interface FailuresOfCode {
  code: string
  meaning: string | null
  count: number
}

/** The most frequent first. */
export function failuresByCode(
  failures: readonly FailedRequest[],
  catalog: Pick<Catalog, 'find'>,
  texts: ConsoleTexts,
): FailuresOfCode[] {
  const byCode = new Map<string, FailedRequest[]>()
  for (const one of failures) byCode.set(one.code, [...(byCode.get(one.code) ?? []), one])
  return [...byCode]
    .map(([code, all]) => ({
      code,
      meaning: codeMeaning(code, catalog.find(all[0]?.service_slug ?? ''), texts),
      count: all.length,
    }))
    .sort((a, b) => b.count - a.count)
}

function durationsModel(
  durations: NonNullable<Snapshot['durations']>,
  catalog: Catalog,
  texts: ConsoleTexts,
) {
  const { t, locale } = texts
  return durations.map(({ slug, known }) => {
    const service = catalog.find(slug)
    const steps = (service?.steps ?? []).flatMap(({ id }) => {
      const taken = known.steps[id]
      return taken ? [{ name: stepTitle(id, service, locale) ?? id, taken }] : []
    })
    const longest = Math.max(known.total.p95, ...steps.map(({ taken }) => taken.p95))
    return {
      title: serviceTitle(catalog, slug, locale) ?? slug,
      runs: t('console.durations.runs', { runs: known.runs }),
      rows: [{ name: t('console.durations.whole'), taken: known.total }, ...steps].map(({ name, taken }) => ({
        name,
        half: formatDuration(t, taken.p50),
        most: formatDuration(t, taken.p95),
        chart: rangeChart(taken, longest),
      })),
    }
  })
}

function redisModel(info: RedisServerInfo, { t }: ConsoleTexts) {
  return {
    version: info.version,
    memory: info.memory && memoryText(info.memory, t),
    policy: info.evictionPolicy,
    kept: info.appendOnly === null ? null : t(info.appendOnly ? 'result.yes' : 'result.no'),
  }
}

function memoryText({ usedBytes, maxBytes }: Memory, t: ConsoleTexts['t']): string {
  const megabytes = (bytes: number): string =>
    t('console.megabytes', { value: Math.round(bytes / 1024 / 1024) })
  return maxBytes === 0
    ? t('console.redis.no_limit', { used: megabytes(usedBytes) })
    : t('console.redis.memory_of', { used: megabytes(usedBytes), most: megabytes(maxBytes) })
}
