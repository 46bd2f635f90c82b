/** What each page of the console shows: its template, its title, and what is read for it. */
import { LRUCache } from 'lru-cache'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import type { Catalog } from '../../core/catalog/catalog.ts'
import { AppError } from '../../core/domain/errors.ts'
import { toPublicView } from '../../core/domain/record.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import type { ConsoleTexts } from '../../core/i18n/console-texts.ts'
import type { QueueStats } from '../../core/queue/queue-stats.ts'
import type { Queues } from '../../core/queue/queues.ts'
import type { RedisClient } from '../../core/redis/connect.ts'
import { findExistingKeys } from '../../core/redis/existing.ts'
import { readAuditLog } from '../../core/store/audit-log.ts'
import type { FailedRequest, FailedRequests } from '../../core/store/failed-requests.ts'
import type { LiveControls } from '../../core/store/operator-controls.ts'
import type { RequestList } from '../../core/store/request-list.ts'
import type { RequestStore } from '../../core/store/request-store.ts'
import { auditFilter, auditRow, parseAction } from './audit-model.ts'
import type { Snapshot } from './data.ts'
import { failuresByCode, nowModel } from './now-model.ts'
import { queueModel } from './queues-model.ts'
import {
  failureRow,
  filterModel,
  pageHref,
  parseFilter,
  parsePlace,
  requestDetail,
  requestRow,
} from './requests-model.ts'

export interface PageContent {
  template: string
  title: string
  content: object
}

/** Null where the console has no such page. @throws AppError `request_not_found`, `storage_unavailable` */
export type ReadContent = (
  address: URL,
  texts: ConsoleTexts,
  /** Whether what was read for another page a moment before will do. */
  mayShare: boolean,
) => Promise<PageContent | null>

export interface ContentDeps {
  redis: RedisClient
  catalog: Catalog
  controls: Pick<LiveControls, 'current'>
  readSnapshot: () => Promise<Snapshot>
  list: RequestList
  store: Pick<RequestStore, 'get'>
  requests: Pick<RequestActions, 'timeline'>
  queues: Pick<Queues, 'position'>
  queueStats: Pick<QueueStats, 'jobState'>
  failures: Pick<FailedRequests, 'list' | 'find'>
  now: () => number
}

/** How many requests a page shows, and one call acts on. */
export const MAX_CHOSEN = 100
const SHARED_MS = 1_500
const FOUND_MS = 60_000

/** The name of a page and of the request that it shows. */
const ADDRESS = /^\/admin(?:\/(requests|failed|queues|audit)(?:\/([\w-]+))?)?\/?$/

export function createReadContent(deps: ContentDeps): ReadContent {
  const { catalog, controls, now } = deps
  const shared = new LRUCache<string, Promise<object>>({ max: 50, ttl: SHARED_MS })
  /** Hashes by reference, of the pages that were shown. To find another one, all known hashes are digested. */
  const found = new LRUCache<string, string>({ max: 1_000, ttl: FOUND_MS })

  async function findHash(reference: string): Promise<string> {
    const known = found.get(reference)
    if (known !== undefined) return known
    const [hash, ...others] = (await deps.list.find([reference])).get(reference) ?? []
    if (hash === undefined || others.length > 0) throw new AppError('request_not_found')
    found.set(reference, hash)
    return hash
  }

  /** All streams share what was read for one of them. */
  function read<T extends object>(key: string, mayShare: boolean, readNow: () => Promise<T>): Promise<T> {
    const recent = mayShare ? (shared.get(key) as Promise<T> | undefined) : undefined
    if (recent) return recent
    const reading = readNow()
    shared.set(key, reading)
    return reading
  }

  return async ({ pathname, searchParams }, texts, mayShare) => {
    const { t } = texts
    const about = { catalog, now: now(), texts }
    const [isPage, name = 'now', reference] = ADDRESS.exec(pathname) ?? []
    if (isPage === undefined) return null
    const filter = parseFilter(Object.fromEntries(searchParams))
    if (reference !== undefined)
      return name === 'requests' ? readRequest(deps, await findHash(reference), texts) : null
    if (name === 'requests') {
      const from = parsePlace(searchParams.get('from'))
      const { newest, next } = await read(JSON.stringify([filter, from]), mayShare, () =>
        deps.list.read(filter, MAX_CHOSEN, from),
      )
      for (const { hash } of newest) found.set(shortReference(hash), hash)
      const list = {
        rows: newest.map((record) => requestRow(record, about)),
        newest: from === 0 ? null : pageHref(searchParams, 0),
        older: next === null ? null : pageHref(searchParams, next),
      }
      const content = { filter: filterModel(filter, about), list }
      return { template: 'console-requests', title: t('console.requests'), content }
    }
    if (name === 'failed') {
      const { code } = filter
      const all = await read('failed', mayShare, () => deps.failures.list())
      const matching = all.filter((one) => code === undefined || one.code === code)
      const shown = await withRecords(deps.redis, matching.slice(0, MAX_CHOSEN))
      const list = { count: matching.length, rows: shown.map((one) => failureRow(one, about)) }
      const content = { codes: failuresByCode(all, catalog, texts), code, list }
      return { template: 'console-failed', title: t('console.failed'), content }
    }
    if (name === 'audit') {
      const action = parseAction(searchParams.get('action'))
      const all = await read('audit', mayShare, () => readAuditLog(deps.redis, { now: now() }))
      const matching = all.filter((entry) => action === undefined || entry.action === action).reverse()
      const rows = matching.slice(0, MAX_CHOSEN).map((entry) => auditRow(entry, about))
      const audit = { count: matching.length, rows, actions: auditFilter(action, texts) }
      return { template: 'console-audit', title: t('console.audit'), content: { audit } }
    }
    const snapshot = await read('snapshot', mayShare, deps.readSnapshot)
    if (name === 'queues') {
      const queues =
        snapshot.queues?.map((state) =>
          queueModel(state, { catalog, controls: controls.current(), texts }),
        ) ?? null
      return { template: 'console-queues', title: t('console.queues'), content: { queues } }
    }
    return { template: 'console-now', title: t('console.now'), content: { now: nowModel(snapshot, about) } }
  }
}

/** Of a failed request that is deleted, what is kept for a week. */
async function readRequest(deps: ContentDeps, hash: string, texts: ConsoleTexts): Promise<PageContent> {
  const { catalog, failures, store, requests, queues, queueStats, now } = deps
  const about = { catalog, now: now(), texts }
  const title = texts.t('console.request', { reference: shortReference(hash) })
  const failed = await failures.find(hash)
  try {
    const { record } = await store.get(hash)
    const queue = catalog.find(record.service_slug)?.queue
    const [timeline, place, job] = await Promise.all([
      requests.timeline(toPublicView(record, now())),
      queue && record.status === 'pending' ? queues.position(hash, queue) : null,
      queue ? queueStats.jobState(hash, queue) : 'unknown',
    ])
    const retriedAs = failed?.retried_as ?? null
    const request = requestDetail(record, { ...about, timeline, place, job, retriedAs })
    return { template: 'console-request', title, content: { request } }
  } catch (error) {
    const isGone = error instanceof AppError && ['request_not_found', 'request_expired'].includes(error.code)
    if (!failed || !isGone) throw error
    const row = failureRow({ ...failed, isKept: false }, about)
    return { template: 'console-failed-request', title, content: { failed: row } }
  }
}

/** Whether the record of each still exists: without it a request cannot be sent again. */
export async function withRecords(
  redis: RedisClient,
  failures: readonly FailedRequest[],
): Promise<(FailedRequest & { isKept: boolean })[]> {
  const keyOf = ({ hash }: FailedRequest): string => redis.names.record(hash)
  const present = await findExistingKeys(redis, failures.map(keyOf))
  return failures.map((one) => ({ ...one, isKept: present.has(keyOf(one)) }))
}
