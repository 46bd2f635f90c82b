/**
 * What an Idempotency-Key stands for, kept as long as the request it made. The caller who claims it first makes the
 * request; whoever comes again with the same key and body is given the first answer.
 */
import { createHmac } from 'node:crypto'
import type { PublicView } from '../record.ts'
import type { RedisClient } from './connect.ts'
import { keys } from './keys.ts'

export interface Claim {
  /** Of the body, keyed with the caller's key: says nothing to who does not know both. */
  fingerprint: string
  hash: string
  createdAt: number
  /** The first answer; null while it is being made. */
  answer: PublicView | null
}

export interface Idempotency {
  /** Claims the key, or returns the claim that stands. */
  claim(caller: string, key: string, mine: Claim): Promise<Claim>
  /** Remembers the first answer. */
  settle(caller: string, key: string, claim: Claim): Promise<void>
}

export const fingerprint = (key: string, body: unknown): string =>
  createHmac('sha256', key).update(JSON.stringify(body)).digest('base64url')

export function createIdempotency({
  redis,
  ttlSeconds,
}: {
  redis: RedisClient
  ttlSeconds: number
}): Idempotency {
  return {
    async claim(caller, key, mine) {
      const name = keys.idempotency(caller, key)
      for (;;) {
        if (await redis.set(name, JSON.stringify(mine), 'EX', ttlSeconds, 'NX')) return mine
        const present = await redis.get(name)
        if (present !== null) return JSON.parse(present) as Claim
      }
    },
    async settle(caller, key, claim) {
      await redis.set(keys.idempotency(caller, key), JSON.stringify(claim), 'KEEPTTL', 'XX')
    },
  }
}
