/**
 * Removes a request that has ended, with everything that Redis holds of it, before its time. What stays says nothing of it:
 * a mark under a digest of its hash, for the answer 410, and what its codes count for their recipient.
 */
import { AppError } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import { notFoundOrExpired } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import { removeCodeLink } from './code-links.ts'
import type { FailedRequests } from './failed-requests.ts'
import { removeResponses } from './idempotency-keys.ts'
import { publishHint } from './publish-hint.ts'
import { removeAllFiles } from './request-files.ts'
import type { SessionRequests } from './session-requests.ts'
import { withStorageErrors } from './storage-errors.ts'
import { detachCounts } from './subject-limits.ts'
import { releaseUnfinished } from './unfinished-limits.ts'

interface Deps {
  redis: RedisClient
  failures: Pick<FailedRequests, 'remove'>
  sessionRequests: Pick<SessionRequests, 'remove'>
  /** REQUEST_TTL: after so long the time in the hash tells that the request is over. */
  ttlSeconds: number
}

/** The record comes last: when something before it fails, another call finds the record and removes the rest. */
export async function removeRequest(deps: Deps, record: RequestRecord): Promise<void> {
  const { redis, failures, sessionRequests, ttlSeconds } = deps
  const { names } = redis
  const { hash } = record
  await Promise.all([
    redis.lrem(names.list, 0, hash),
    redis.zrem(names.deadlines, hash),
    redis.zrem(names.pushes, hash),
    failures.remove(record),
    releaseUnfinished(redis, record),
    removeAllFiles(redis, hash),
    removeResponses(redis, hash),
    sessionRequests.remove(record.session_id, [hash]),
    removeCodeLink(redis, hash),
    detachCounts(redis, record),
  ])
  await redis.set(names.removed(hash), '1', 'EX', ttlSeconds)
  const beside = [
    names.backup,
    names.otp,
    names.earlyOtp,
    names.image,
    names.heartbeat,
    names.resendTaken,
    names.files,
    names.responses,
    names.timeline,
    names.push,
  ]
  await redis.del(names.record(hash), ...beside.map((nameOf) => nameOf(hash)))
  // Who watches the request reads it, and finds it gone.
  await publishHint(redis, hash)
}

/** 410 for a request that existed, 404 for one that never did. */
export async function whyMissing(
  redis: RedisClient,
  hash: string,
  now: number,
  ttlSeconds: number,
): Promise<AppError> {
  const error = notFoundOrExpired(hash, now, ttlSeconds)
  if (error.code === 'request_expired') return error
  const isRemoved = await withStorageErrors(() => redis.exists(redis.names.removed(hash)))
  return isRemoved ? new AppError('request_expired') : error
}
