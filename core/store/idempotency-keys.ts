/**
 * Idempotency-Keys. The first caller claims the key and creates the request; a repeated submit with the same key and body
 * gets the first response. Both are stored as long as the request can be read.
 */
import { createHmac } from 'node:crypto'
import { AppError } from '../domain/errors.ts'
import type { PublicView } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { parseObject } from './parse-object.ts'

export interface IdempotencyClaim {
  /** HMAC of the body, keyed with the Idempotency-Key. */
  fingerprint: string
  hash: string
  createdAt: number
  /** TTL without a response, seconds: as long as the request may be unfinished. */
  keptSeconds: number
  /** Random. Together with the Idempotency-Key, which is not stored, it gives the owner token again. */
  seed: string
}

export interface Idempotency {
  /** Null when the key is not claimed. */
  find(caller: string, key: string): Promise<IdempotencyClaim | null>
  /** Claims the key, or returns the earlier claim. */
  claim(caller: string, key: string, mine: IdempotencyClaim): Promise<IdempotencyClaim>
  /** The first response; null until it is saved. */
  getResponse(caller: string, key: string): Promise<PublicView | null>
  /**
   * Saves the response unless there is one, and returns the first: concurrent callers get the same.
   * @param keptSeconds TTL of claim and response, seconds: as long as the request can be read
   */
  saveResponse(caller: string, key: string, response: PublicView, keptSeconds: number): Promise<PublicView>
}

export const fingerprint = (key: string, body: unknown): string =>
  createHmac('sha256', key).update(JSON.stringify(body)).digest('base64url')

/** How often a claim is retried whose key expires between the attempts. */
const MAX_TRIES = 10

function readClaim(json: string | null): IdempotencyClaim | null {
  const found = parseObject<IdempotencyClaim>(json)
  const isClaim =
    isRequestHash(found?.hash) && [found?.fingerprint, found?.seed].every((text) => typeof text === 'string')
  return isClaim ? (found as IdempotencyClaim) : null
}

export function createIdempotency({ redis }: { redis: RedisClient }): Idempotency {
  const read = (name: string): Promise<string | null> =>
    retryWithoutWrongTypes(redis, { [name]: 'string' }, () => redis.get(name))

  const getResponse = async (caller: string, key: string): Promise<PublicView | null> => {
    const found = parseObject<PublicView>(await read(redis.names.idempotencyAnswer(caller, key)))
    return isRequestHash(found?.hash) ? (found as PublicView) : null
  }

  const find = async (caller: string, key: string): Promise<IdempotencyClaim | null> =>
    readClaim(await read(redis.names.idempotency(caller, key)))

  return {
    find,
    getResponse,
    async claim(caller, key, mine) {
      const name = redis.names.idempotency(caller, key)
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        if (await redis.set(name, JSON.stringify(mine), 'EX', mine.keptSeconds, 'NX')) return mine
        const present = readClaim(await read(name))
        if (present) return present
        // It has expired since, or is no claim.
        await redis.del(name)
      }
      throw new AppError('storage_unavailable')
    },
    async saveResponse(caller, key, mine, keptSeconds) {
      const name = redis.names.idempotencyAnswer(caller, key)
      await redis.expire(redis.names.idempotency(caller, key), keptSeconds)
      if (await redis.set(name, JSON.stringify(mine), 'EX', keptSeconds, 'NX')) return mine
      const first = await getResponse(caller, key)
      if (!first) await redis.set(name, JSON.stringify(mine), 'EX', keptSeconds)
      return first ?? mine
    },
  }
}
