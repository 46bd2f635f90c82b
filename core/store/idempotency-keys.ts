/**
 * What an Idempotency-Key stands for, kept as long as the request it made. The caller who claims it first makes the
 * request; whoever comes again with the same key and body is given the first answer.
 */
import { createHmac } from 'node:crypto'
import { AppError } from '../domain/errors.ts'
import type { PublicView } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { parseObject } from './parse-object.ts'

export interface IdempotencyClaim {
  /** Of the body, keyed with the caller's key: says nothing to who does not know both. */
  fingerprint: string
  hash: string
  createdAt: number
  /** How long it is remembered without an answer, seconds: as long as its request may be unfinished. */
  keptSeconds: number
  /** Random. With the key, which is not kept, it gives the submitter's token anew. */
  seed: string
}

export interface Idempotency {
  /** The claim that stands; null when nobody has claimed the key. */
  find(caller: string, key: string): Promise<IdempotencyClaim | null>
  /** Claims the key, or returns the claim that stands. */
  claim(caller: string, key: string, mine: IdempotencyClaim): Promise<IdempotencyClaim>
  /** The first answer; null while it is being made. */
  getResponse(caller: string, key: string): Promise<PublicView | null>
  /**
   * Remembers this answer if it is the first, and returns the first: all who ask at once are told the same.
   * @param keptSeconds how long from now claim and answer are remembered: as long as the request may be read
   */
  saveResponse(caller: string, key: string, getResponse: PublicView, keptSeconds: number): Promise<PublicView>
}

export const fingerprint = (key: string, body: unknown): string =>
  createHmac('sha256', key).update(JSON.stringify(body)).digest('base64url')

/** How often a key is claimed that others claim and let go of in between. */
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
        // Gone since, or something that another program has left there and that is no claim.
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
