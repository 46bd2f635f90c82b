/**
 * Limits of unfinished requests, scheduled ones included: per submitter, per queue, in all. Each is a sorted set of hashes
 * that one script checks and extends, so that concurrent submits cannot exceed it.
 *
 * A hash is removed when its request is final. The score is the time when the record expires, after which a hash that was
 * never removed no longer counts. The deadline index holds every unfinished request, so it is the set for the limit of all.
 */

import { AppError } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import { createBatcher } from '../redis/batch.ts'
import type { RedisClient } from '../redis/connect.ts'
import { reserveWithinLimit } from '../redis/scripts.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { firstCheckOf } from './deadline-index.ts'

export interface UnfinishedLimits {
  /** Per session, and per address. */
  maxUnfinishedPerSubmitter: number
  maxUnfinishedPerQueue: number
  maxUnfinished: number
}

type Unfinished = Pick<
  RequestRecord,
  'hash' | 'queue' | 'submitter' | 'user_id' | 'created_at' | 'run_at' | 'expires_at'
>

/** Of one user, in place of those of all, or beside them. */
export interface OwnUnfinishedLimits {
  max_unfinished?: number | undefined
  /** The part of each queue's limit that their requests may take, up to 1. */
  queue_share?: number | undefined
}

export interface UnfinishedLimiter {
  /** Call it before the record is created. @throws AppError `too_many_unfinished`, `queue_full` */
  reserve(request: Unfinished): Promise<void>
  /** For a request that is not created after all. */
  release(request: Unfinished): Promise<void>
}

/** Retry-After. One submitter's requests finish sooner than a full queue. */
const SUBMITTER_RETRY_SECONDS = 10
const QUEUE_RETRY_SECONDS = 30
const MAX_BATCH = 250

const submitterKeys = ({ names }: RedisClient, { submitter }: Unfinished): string[] =>
  submitter?.split('.').map((part) => names.unfinished(`submitter:${part}`)) ?? []
const queueKeys = ({ names }: RedisClient, { queue }: Unfinished): string[] =>
  queue === undefined ? [] : [names.unfinished(`queue:${queue}`)]

/** The requests of one user in one queue. */
const shareKeys = ({ names }: RedisClient, { queue, submitter, user_id }: Unfinished): string[] =>
  queue === undefined || submitter === undefined || typeof user_id !== 'string'
    ? []
    : [names.unfinished(`submitter:${submitter}:${queue}`)]

interface Wanted {
  key: string
  max: number
  score: number
  hash: string
  answer?: number
}
const ADDED = 1
const LIMIT_REACHED = 0

export function createUnfinishedLimiter({
  redis,
  limits,
  ttlSeconds,
  now,
  onLimit,
  ownLimitsOf = () => ({}),
}: {
  redis: RedisClient
  limits: UnfinishedLimits
  ttlSeconds: number
  now: () => number
  /** Called when the limit of a submitter, or of a queue or all, is reached. */
  onLimit?: (limit: 'submitter' | 'queue') => void
  ownLimitsOf?: (userId: RequestRecord['user_id']) => OwnUnfinishedLimits
}): UnfinishedLimiter {
  const { deadlines } = redis.names
  /** Sets the answer of each place that these requests want. */
  const reserveAll = createBatcher(MAX_BATCH, async (requests: readonly Wanted[][]) => {
    const byKey = new Map<string, Wanted[]>()
    for (const wanted of requests.flat())
      byKey.get(wanted.key)?.push(wanted) ?? byKey.set(wanted.key, [wanted])
    await Promise.all(
      [...byKey].map(async ([key, some]) => {
        const isDeadlineIndex = key === deadlines
        // A check overdue for longer than a record lives is for nothing: no worker was there to take it.
        const until = isDeadlineIndex ? now() - ttlSeconds * 1000 : now()
        const answers = await retryWithoutWrongTypes(redis, { [key]: 'zset' }, () =>
          reserveWithinLimit(redis, {
            key,
            removeUntil: until,
            maxMembers: (some[0] as Wanted).max,
            expires: !isDeadlineIndex,
            members: some,
          }),
        )
        for (const [i, wanted] of some.entries()) wanted.answer = answers[i]
      }),
    )
    return requests.map(() => undefined)
  })

  return {
    release: (request) => releaseUnfinished(redis, { ...request, status: 'cancelled' }),
    async reserve(request) {
      const { hash } = request
      const score = Date.parse(request.expires_at)
      const own = ownLimitsOf(request.user_id)
      const max = own.max_unfinished ?? limits.maxUnfinishedPerSubmitter
      const shareMax = Math.max(1, Math.floor((own.queue_share ?? 0) * limits.maxUnfinishedPerQueue))
      const placeIn = (key: string, max: number, score: number): Wanted => ({ key, max, score, hash })
      const bySubmitter = submitterKeys(redis, request).map((key) => placeIn(key, max, score))
      if (own.queue_share !== undefined)
        bySubmitter.push(...shareKeys(redis, request).map((key) => placeIn(key, shareMax, score)))
      const wanted = [
        ...bySubmitter,
        ...queueKeys(redis, request).map((key) => placeIn(key, limits.maxUnfinishedPerQueue, score)),
        placeIn(deadlines, limits.maxUnfinished, firstCheckOf(request)),
      ]
      await reserveAll(wanted)
      const isReached = ({ answer }: Wanted): boolean => answer === LIMIT_REACHED
      if (!wanted.some(isReached)) return
      const added = wanted.filter(({ answer }) => answer === ADDED)
      await Promise.all(added.map(({ key }) => redis.zrem(key, hash)))
      const isOfSubmitter = bySubmitter.some(isReached)
      onLimit?.(isOfSubmitter ? 'submitter' : 'queue')
      throw isOfSubmitter
        ? new AppError('too_many_unfinished', { retryAfterSeconds: SUBMITTER_RETRY_SECONDS })
        : new AppError('queue_full', { retryAfterSeconds: QUEUE_RETRY_SECONDS })
    },
  }
}

/** Removes a final request from the sets. A failed one keeps its check until its failure is listed. */
export async function releaseUnfinished(
  redis: RedisClient,
  request: Unfinished & Pick<RequestRecord, 'status'>,
): Promise<void> {
  const keys = [...submitterKeys(redis, request), ...shareKeys(redis, request), ...queueKeys(redis, request)]
  if (request.status !== 'failed') keys.push(redis.names.deadlines)
  await Promise.all(keys.map((key) => redis.zrem(key, request.hash)))
}
