/**
 * What follows when a request ends, in the process that wrote its end: one line in the log, and the count of the failures
 * of its service in a row (CLOSE_AFTER_FAILURES).
 */
import { measureDurations } from '../domain/durations.ts'
import { isFinal, type RequestRecord } from '../domain/record.ts'
import { shortReference } from '../domain/short-reference.ts'
import type { RedisClient } from '../redis/connect.ts'
import { noteEnd } from '../redis/scripts.ts'
import type { Log } from '../runtime/log.ts'
import { safeCode } from './failed-requests.ts'
import { type ClosedService, closedField } from './operator-controls.ts'

/** Failures that are further apart are not in a row. */
const STREAK_SECONDS = 3600
/** Failures of the submitter, not of the service. */
const SUBMITTER_CODES = ['otp_expired', 'otp_attempts_exhausted', 'subject_limit_reached']

export interface RequestEndDeps {
  redis: RedisClient
  /** 0 for never. */
  closeAfterFailures: number
  log: Log
  now?: () => number
}

/** @returns call it once with each request that has ended; never rejects */
export function createRequestEnds(deps: RequestEndDeps): (record: RequestRecord) => Promise<void> {
  return async (record) => {
    logEnd(deps.log, record)
    const { status } = record
    if (deps.closeAfterFailures > 0 && (status === 'completed' || status === 'failed'))
      await countFailures(deps, record).catch((error: unknown) =>
        deps.log.debug({ err: error, service: record.service_slug }, 'the end of a request was not counted'),
      )
  }
}

const codeOf = ({ status, error_data }: RequestRecord): string =>
  status === 'failed' ? (safeCode(error_data?.code) ?? 'failed') : ''

/** Names the request by its short reference, which opens nothing, and says nothing of its data. */
function logEnd(log: Log, record: RequestRecord): void {
  const { hash, service_slug, status, attempt, error_data, completed_at } = record
  if (!isFinal(status) || completed_at === null) return
  const { steps_ms, ...durations } = measureDurations(record, completed_at)
  const about = {
    request: shortReference(hash),
    service: safeCode(service_slug) ?? 'other',
    status,
    ...(status === 'failed' && { code: codeOf(record), cause: error_data?.cause }),
    attempts: attempt,
    ...durations,
    steps_ms: Object.fromEntries(Object.entries(steps_ms).filter(([id]) => safeCode(id) !== undefined)),
  }
  log.info(about, 'request ended')
}

async function countFailures(
  { redis, closeAfterFailures, log, now = Date.now }: RequestEndDeps,
  record: RequestRecord,
): Promise<void> {
  const { status, service_slug: slug } = record
  const code = codeOf(record)
  if (SUBMITTER_CODES.includes(code)) return
  const since = new Date(now()).toISOString()
  const hasChanged = await noteEnd(redis, {
    controlsKey: redis.names.controls.all,
    streakKey: redis.names.controls.failures(slug),
    field: closedField(slug),
    code,
    closeAfter: closeAfterFailures,
    closed: JSON.stringify({ message: null, since, by: 'failures', code } satisfies ClosedService),
    streakSeconds: STREAK_SECONDS,
  })
  if (!hasChanged) return
  if (status === 'failed') log.warn({ service: slug, code }, 'a service was closed: its last requests failed')
  else log.info({ service: slug }, 'a service that was closed works again')
}
