/** Limits calls per minute and user or network. Counted in Redis, so that all server processes share the counters. */
import { hash } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import { rateLimit } from 'express-rate-limit'
import { LRUCache } from 'lru-cache'
import { type RedisReply, RedisStore } from 'rate-limit-redis'
import { AppError } from '../../core/domain/errors.ts'
import type { RedisClient } from '../../core/redis/connect.ts'
import { retryWithoutWrongTypes } from '../../core/redis/wrong-type.ts'
import { withStorageErrors } from '../../core/store/storage-errors.ts'
import { type Caller, callerOf, countedAs } from './caller.ts'

const WINDOW_MS = 60_000
/** Those refused longest ago are counted alongside again. */
const MAX_REFUSED = 10_000

/** The limit of one caller, in place of the general one. */
export type OwnLimitOf = (caller: Pick<Caller, 'user'>) => number | undefined

export type LimitName = 'submit' | 'batch' | 'action' | 'sign_in'

/**
 * While Redis is unavailable it answers 503 immediately; the handlers after it would fail as well. While Redis is out of
 * memory it cannot count: actions pass uncounted, so that running requests can go on; all else is refused.
 */
export function limitPerMinute(
  redis: RedisClient,
  name: LimitName,
  limit: number,
  onLimit?: (limit: LimitName) => void,
  ownLimitOf?: OwnLimitOf,
): RequestHandler {
  const limitOf = (res: Response): number => ownLimitOf?.(callerOf(res)) ?? limit
  /** When refused callers may call again, milliseconds since 1970, by the key that their calls are counted under. */
  const refusedUntil = new LRUCache<string, number>({ max: MAX_REFUSED })
  const limiter = rateLimit({
    windowMs: WINDOW_MS,
    limit: (_req, res) => limitOf(res as Response),
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: name,
    keyGenerator: (_req, res) => countedAs(callerOf(res as Response)),
    store: new RedisStore({ prefix: redis.names.rateLimit(name), sendCommand: createSender(redis) }),
    handler: (req, res) => {
      onLimit?.(name)
      const resetAt =
        (req as unknown as { rateLimit?: { resetTime?: Date } }).rateLimit?.resetTime?.getTime() ??
        Date.now() + WINDOW_MS
      refusedUntil.set(countedAs(callerOf(res as Response)), resetAt)
      const retryAfterSeconds = Math.max(1, Math.ceil((resetAt - Date.now()) / 1000))
      throw new AppError('rate_limited', {
        detail: `At most ${limitOf(res as Response)} a minute; try again in ${retryAfterSeconds} s.`,
        retryAfterSeconds,
      })
    },
  })
  if (name === 'batch') return countOnce(limiter)
  if (name === 'submit') return countAlongside(limiter, refusedUntil)
  if (name !== 'action') return limiter
  return (req, res, next) =>
    limiter(req, res, (error?: unknown) => (isOutOfMemory(error) ? next() : next(error as Error | undefined)))
}

/**
 * Counts while the next handlers run, which saves a round trip: they await `counted` of the caller before they store
 * anything. A caller who was refused is counted first until the minute is over, so that a flood costs no more than its count.
 */
function countAlongside(
  limiter: RequestHandler,
  refusedUntil: Pick<LRUCache<string, number>, 'get'>,
): RequestHandler {
  return (req, res, next) => {
    const caller = callerOf(res)
    if ((refusedUntil.get(countedAs(caller)) ?? 0) > Date.now()) return limiter(req, res, next)
    const counted = new Promise<void>((resolve, reject) => {
      limiter(req, res, (error?: unknown) => (error ? reject(error) : resolve()))
    })
    counted.catch(() => {})
    res.locals.caller = { ...caller, counted } satisfies Caller
    next()
  }
}

/** A batch is recognised by its size or, once parsed, by its content: it reaches this limit twice and counts once. */
function countOnce(limiter: RequestHandler): RequestHandler {
  const counted = new WeakSet<Request>()
  return (req, res, next) => {
    if (counted.has(req)) return next()
    counted.add(req)
    return limiter(req, res, next)
  }
}

const isOutOfMemory = (error: unknown): boolean =>
  error instanceof AppError && error.cause instanceof Error && error.cause.message.startsWith('OOM ')

/**
 * The store loads its scripts once, and does not recover when that fails. Here `SCRIPT LOAD` only stores the script in
 * memory; it is sent with EVAL when Redis replies NOSCRIPT.
 */
function createSender(redis: RedisClient) {
  const scripts = new Map<string, string>()
  return async (command: string, ...args: string[]): Promise<RedisReply> => {
    if (command === 'SCRIPT') {
      const script = args[1] as string
      const sha = hash('sha1', script, 'hex')
      scripts.set(sha, script)
      return sha
    }
    const call = (): Promise<unknown> =>
      redis.call(command, ...args).catch((error: Error) => {
        const script = command === 'EVALSHA' && scripts.get(args[0] as string)
        if (!script || !error.message.startsWith('NOSCRIPT')) throw error
        return redis.call('EVAL', script, ...args.slice(1))
      })
    // The arguments of EVALSHA: the digest, the number of keys, the counter's key.
    const key = args[2]
    const types = command === 'EVALSHA' && key !== undefined ? { [key]: 'string' as const } : {}
    return withStorageErrors(async () => (await retryWithoutWrongTypes(redis, types, call)) as RedisReply)
  }
}
