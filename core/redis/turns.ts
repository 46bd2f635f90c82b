/**
 * Who waits takes turns: in each round every person who waits has one request, so that somebody's hundred do not hold up
 * another one's only one. Rounds are BullMQ priorities: those of a level of urgency begin at its base, and a round is over
 * once nothing of it waits. No two levels mix; within a round whoever came first goes first.
 */
import { createHash } from 'node:crypto'
import type { Queue } from 'bullmq'
import { DEFAULT_PRIORITY, PRIORITIES } from '../services/service.ts'
import type { RedisClient } from './connect.ts'

/** BullMQ has 2^21 priorities. Somebody's requests beyond the last round wait in it together. */
const ROUNDS = Math.floor(2 ** 21 / PRIORITIES)
/** A score of BullMQ is a priority times this, and a count. */
const SCORES = 2 ** 32
/** A job is added right after its turn was given. */
const FORGET_AFTER_MS = 2_000

/** The person as a digest: neither session nor address can be read from the name of their turns. */
export const personOf = (caller: string): string =>
  createHash('sha256').update(caller).digest('base64url').slice(0, 12)

/** @returns the BullMQ priority of this person's next request in the queue */
export async function takeTurn(
  redis: RedisClient,
  queue: Queue,
  { person, urgency = DEFAULT_PRIORITY }: { person: string; urgency?: number },
): Promise<number> {
  const base = (urgency - 1) * ROUNDS
  const round = await redis.takeTurn(
    queue.toKey('prioritized'), `${queue.toKey('turns')}:${urgency}`,
    person, base * SCORES, (base + ROUNDS) * SCORES, base, ROUNDS - 1, FORGET_AFTER_MS,
  ) // biome-ignore format: in the order of the script's header
  return base + round
}
