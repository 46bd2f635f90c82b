import { isFinal, type RequestRecord } from '../domain/record.ts'
import { shortReference } from '../domain/short-reference.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import { countEnd } from './end-counts.ts'
import type { FailedRequests } from './failed-requests.ts'
import { releaseFiles } from './request-files.ts'
import { releaseUnused } from './subject-limits.ts'
import { releaseUnfinished } from './unfinished-limits.ts'

/**
 * Releases the limits that a final request counted for, counts its end and lists a failed one. The record is final already:
 * what fails here the rescuer retries, and reservations that are not released expire with the record.
 *
 * @param previous the record before; a request that had ended already is not counted again
 */
export async function releaseFinal(
  { redis, failures, log }: { redis: RedisClient; failures: FailedRequests; log?: Log },
  record: RequestRecord,
  previous: RequestRecord | null,
): Promise<void> {
  await Promise.all([
    failures.add(record),
    releaseUnfinished(redis, record),
    releaseUnused(redis, record),
    releaseFiles(redis, record),
    !(previous && isFinal(previous.status)) && countEnd(redis, record),
  ]).catch((error: unknown) =>
    log?.debug(
      { err: error, request: shortReference(record.hash) },
      'could not release what a final request held',
    ),
  )
}
