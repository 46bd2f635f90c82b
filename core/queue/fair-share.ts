/**
 * Who waits takes turns: in each round every person who waits has one request, so that somebody's hundred do not hold up
 * another one's only one. Rounds are BullMQ priorities: those of a level of urgency begin at its base, and a round is over
 * once nothing of it waits. No two levels mix; within a round whoever came first goes first.
 */
import { createHash } from 'node:crypto'
import type { Queue } from 'bullmq'
import { createBatcher } from '../redis/batch.ts'
import type { RedisClient } from '../redis/connect.ts'
import { replacingWrongTypes } from '../redis/wrong-type.ts'

/**
 * A person's requests beyond the last round share it. Ten levels of urgency with 2,000 rounds each keep every priority
 * below 23,283, and so every score below 10^14: some Redis servers pass a script's numbers on with 14 digits, and a score
 * that needs more loses the count at its end, by which jobs of one round are ordered.
 */
export const ROUNDS = 2_000
/** A score of BullMQ is a priority times this, and a count. */
const SCORES = 2 ** 32
/** A job is added right after its turn was given. */
const FORGET_AFTER_MS = 2_000

/** Neither session nor address can be read from the name of their turns. */
const digest = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 12)

/**
 * Whose turns these are: a person, and where they are. Sessions are free, so those of one network take turns with each
 * other once there are more than a few of them.
 */
export function submitterOf(sessionId: string | null, network: string): string {
  const place = digest(`address:${network}`)
  return sessionId === null ? place : `${digest(sessionId)}.${place}`
}

/** So many sessions of one network have a request in each round. */
const SESSIONS_IN_A_ROUND = 3

/** So many turns are given at once: none of other programs' commands should wait for long. */
const MOST_AT_ONCE = 250

/** Gives a person the BullMQ priority of their next request in one queue, of one level of urgency. */
export type AssignRound = (person: string) => Promise<number>

export function createFairShare(redis: RedisClient, queue: Queue, urgency: number): AssignRound {
  const base = (urgency - 1) * ROUNDS
  const turns = `${queue.toKey('turns')}:${urgency}`
  return createBatcher(MOST_AT_ONCE, async (persons: string[]) => {
    const args = [
      queue.toKey('prioritized'), turns,
      base * SCORES, (base + ROUNDS) * SCORES, base, ROUNDS - 1, FORGET_AFTER_MS,
      SESSIONS_IN_A_ROUND, ...persons,
    ] // biome-ignore format: in the order of the script's header
    const rounds = await replacingWrongTypes(redis, { [turns]: 'zset' }, () => redis.takeTurns(...args))
    return rounds.map((round) => base + round)
  })
}
