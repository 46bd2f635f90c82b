/**
 * Browsers that are to be notified of a request's news, beside its record and for as long as it. A browser is the address
 * that its push service gave it. Which of the requests are due for a look is in a sorted set, as for the rescuer.
 */
import { AppError } from '../domain/errors.ts'
import { newsOf } from '../domain/news.ts'
import type { PublicView, RequestRecord } from '../domain/record.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { createDeadlineIndex, type DeadlineIndex } from './deadline-index.ts'
import { parseObject } from './parse-object.ts'
import { withStorageErrors } from './storage-errors.ts'

export interface PushState {
  /** The news that the browser knows. */
  news: string
  /** Calls that failed since. */
  tries: number
  /** Not before, milliseconds since 1970. */
  retryAt: number
}

export interface PushSubscription extends PushState {
  /** Secret: who knows it can send to the browser. */
  endpoint: string
}

export interface PushSubscriptions extends Pick<DeadlineIndex, 'take' | 'schedule'> {
  /** What the request is now is no news. @throws AppError `validation_failed` for one too many, `storage_unavailable` */
  add(request: PublicView, endpoint: string, now: number): Promise<void>
  /** @throws AppError `storage_unavailable` */
  remove(hash: string, endpoint: string): Promise<void>
  list(record: RequestRecord): Promise<PushSubscription[]>
  save(hash: string, endpoint: string, state: PushState): Promise<void>
  /** Removes all of a request that has ended. */
  clear(hash: string): Promise<void>
}

const MAX_SUBSCRIPTIONS = 5

export function createPushSubscriptions({ redis }: { redis: RedisClient }): PushSubscriptions {
  const { push: keyOf, pushes } = redis.names
  const due = createDeadlineIndex({ redis, key: pushes })
  const onKey = <T>(hash: string, work: (key: string) => Promise<T>): Promise<T> =>
    retryWithoutWrongTypes(redis, { [keyOf(hash)]: 'hash' }, () => work(keyOf(hash)))
  const remove = (hash: string, endpoint: string): Promise<unknown> =>
    onKey(hash, (key) => redis.hdel(key, endpoint))

  return {
    take: due.take,
    schedule: due.schedule,

    add: (request, endpoint, now) =>
      withStorageErrors(async () => {
        const { hash } = request
        const state: PushState = { news: newsOf(request), tries: 0, retryAt: 0 }
        const [, , count] = await onKey(hash, (key) =>
          Promise.all([
            redis.hset(key, endpoint, JSON.stringify(state)),
            redis.pexpireat(key, Date.parse(request.expires_at)),
            redis.hlen(key),
          ]),
        )
        if (count > MAX_SUBSCRIPTIONS) {
          await remove(hash, endpoint)
          const reason = `a request has at most ${MAX_SUBSCRIPTIONS} subscriptions`
          throw new AppError('validation_failed', {
            errors: [{ field: 'endpoint', code: 'invalid_definition', params: { reason } }],
          })
        }
        // One that is looked at right now stays with its sender, so that nothing is sent twice.
        await due.scheduleMissing([hash], now)
      }),

    remove: (hash, endpoint) =>
      withStorageErrors(async () => {
        await remove(hash, endpoint)
      }),

    async list({ hash, expires_at }) {
      const [stored] = await onKey(hash, (key) =>
        // The record may live longer than it did at the subscription.
        Promise.all([redis.hgetall(key), redis.pexpireat(key, Date.parse(expires_at))]),
      )
      return Object.entries(stored).map(([endpoint, json]) => {
        const { news = '', tries = 0, retryAt = 0 } = parseObject<PushState>(json) ?? {}
        return { endpoint, news, tries, retryAt }
      })
    },

    async save(hash, endpoint, state) {
      await onKey(hash, async (key) => {
        // Removed while it was notified.
        if (await redis.hexists(key, endpoint)) await redis.hset(key, endpoint, JSON.stringify(state))
      })
    },

    async clear(hash) {
      await Promise.all([redis.del(keyOf(hash)), due.remove(hash)])
    },
  }
}
