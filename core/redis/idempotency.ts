/**
 * What an Idempotency-Key stands for, kept as long as the request it made. The caller who claims it first makes the
 * request; whoever comes again with the same key and body is given the first answer.
 */
import { createHmac } from 'node:crypto'
import type { PublicView } from '../record.ts'
import type { RedisClient } from './connect.ts'

export interface Claim {
  /** Of the body, keyed with the caller's key: says nothing to who does not know both. */
  fingerprint: string
  hash: string
  createdAt: number
  /** How long it is remembered, seconds: as long as its request may live. */
  keptSeconds: number
  /** Random. With the key, which is not kept, it gives the submitter's token anew. */
  seed: string
}

export interface Idempotency {
  /** The claim that stands; null when nobody has claimed the key. */
  find(caller: string, key: string): Promise<Claim | null>
  /** Claims the key, or returns the claim that stands. */
  claim(caller: string, key: string, mine: Claim): Promise<Claim>
  /** The first answer; null while it is being made. */
  answer(caller: string, key: string): Promise<PublicView | null>
  /** Remembers this answer if it is the first, and returns the first: all who ask at once are told the same. */
  settle(caller: string, key: string, answer: PublicView, keptSeconds: number): Promise<PublicView>
}

export const fingerprint = (key: string, body: unknown): string =>
  createHmac('sha256', key).update(JSON.stringify(body)).digest('base64url')

export function createIdempotency({ redis }: { redis: RedisClient }): Idempotency {
  const answer = async (caller: string, key: string): Promise<PublicView | null> => {
    const json = await redis.get(redis.names.idempotencyAnswer(caller, key))
    return json === null ? null : (JSON.parse(json) as PublicView)
  }

  const find = async (caller: string, key: string): Promise<Claim | null> => {
    const json = await redis.get(redis.names.idempotency(caller, key))
    return json === null ? null : (JSON.parse(json) as Claim)
  }

  return {
    find,
    answer,
    async claim(caller, key, mine) {
      const name = redis.names.idempotency(caller, key)
      for (;;) {
        if (await redis.set(name, JSON.stringify(mine), 'EX', mine.keptSeconds, 'NX')) return mine
        const present = await redis.get(name)
        if (present !== null) return JSON.parse(present) as Claim
      }
    },
    async settle(caller, key, mine, keptSeconds) {
      const name = redis.names.idempotencyAnswer(caller, key)
      if (await redis.set(name, JSON.stringify(mine), 'EX', keptSeconds, 'NX')) return mine
      return (await answer(caller, key)) ?? mine
    },
  }
}
