/**
 * Idempotency-Keys. The first caller claims the key and creates the request; a repeated submit with the same key and body
 * gets the first response. Both are stored as long as the request can be read.
 */
import { createHmac } from 'node:crypto'
import { AppError } from '../domain/errors.ts'
import type { PublicView } from '../domain/record.ts'
import { isRequestHash } from '../domain/request-id.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { InstallationSecret } from '../redis/installation-secret.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { parseObject } from './parse-object.ts'

export interface IdempotencyClaim {
  /** Of the Idempotency-Key and the body. */
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

/** A digest of a key and what was sent with it. It cannot be computed without the secret of the installation. */
export type Fingerprint = (key: string, body: unknown) => string

export const createFingerprint =
  ({ digest }: Pick<InstallationSecret, 'digest'>): Fingerprint =>
  (key, body) =>
    digest('idempotency', JSON.stringify([key, body]))

/** As the release before made it: its claims live on when it is replaced. Read, never stored. */
export const fingerprintBefore: Fingerprint = (key, body) =>
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
      const claim = redis.names.idempotency(caller, key)
      const name = redis.names.idempotencyAnswer(caller, key)
      const responses = redis.names.responses(mine.hash)
      const [, isFirst] = await Promise.all([
        redis.expire(claim, keptSeconds),
        redis.set(name, JSON.stringify(mine), 'EX', keptSeconds, 'NX'),
        retryWithoutWrongTypes(redis, { [responses]: 'list' }, () =>
          Promise.all([redis.rpush(responses, claim, name), redis.expire(responses, keptSeconds)]),
        ),
      ])
      if (isFirst) return mine
      const first = await getResponse(caller, key)
      if (!first) await redis.set(name, JSON.stringify(mine), 'EX', keptSeconds)
      return first ?? mine
    },
  }
}

const listResponses = (redis: RedisClient, hash: string): Promise<string[]> => {
  const key = redis.names.responses(hash)
  return retryWithoutWrongTypes(redis, { [key]: 'list' }, () => redis.lrange(key, 0, -1))
}

/** Deletes the claims and responses of a request, so that the same submit makes another one. */
export async function removeResponses(redis: RedisClient, hash: string): Promise<void> {
  await Promise.all((await listResponses(redis, hash)).map((key) => redis.del(key)))
}

/** Keeps the claims and responses of a request for at least so long, milliseconds. */
export async function keepResponses(redis: RedisClient, hash: string, ms: number): Promise<void> {
  const keys = [...(await listResponses(redis, hash)), redis.names.responses(hash)]
  const rests = await Promise.all(keys.map((key) => redis.pttl(key)))
  const shorter = keys.filter((_, i) => (rests[i] ?? 0) > 0 && (rests[i] ?? 0) < ms)
  await Promise.all(shorter.map((key) => redis.pexpire(key, ms)))
}
