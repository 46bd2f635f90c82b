/**
 * Fair scheduling: each submitter has one waiting request per round, so that one submitter's hundred requests do not delay
 * anyone else's. Rounds are BullMQ priorities. The rounds of an urgency start at its base priority, and a round is over
 * when none of its jobs waits. Urgencies do not mix; within a round jobs run first in, first out.
 */
import type { Queue } from 'bullmq'
import { createBatcher } from '../redis/batch.ts'
import type { RedisClient } from '../redis/connect.ts'
import { assignRounds } from '../redis/scripts.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { keysOf, SCORE_PER_PRIORITY } from './bullmq.ts'

/**
 * A submitter's requests beyond the last round share it. Ten urgencies with 2,000 rounds each keep every priority below
 * 23,283, and so every score below 10^14: some Redis servers round a script's numbers to 14 digits, and a rounded score
 * loses the counter at its end, which orders the jobs of a round.
 */
export const ROUNDS = 2_000
/** A job is added right after its round was assigned. */
const ROUNDS_TTL_MS = 2_000

const shorten = (digest: string): string => digest.slice(0, 12)

/**
 * A submitter as `session.network`, or `network` without a session. Creating sessions costs nothing, so more than a few
 * sessions of one network share its rounds. Both are keyed digests, so neither session nor address can be computed from it.
 */
export const submitterOf = (sessionId: string | null, network: string): string =>
  sessionId === null ? shorten(network) : `${shorten(sessionId)}.${shorten(network)}`

/** Sessions of one network with a request in each round. */
const SESSIONS_PER_ROUND = 3
/** Keeps the script short for the other clients of Redis. */
const MAX_BATCH = 250

export interface Place {
  /** Of BullMQ. */
  priority: number
  /** Of a job that is added now: 1 is next. */
  position: number
}
/** Returns the place of a submitter's next request in one queue, of one urgency. */
export type AssignRound = (submitter: string) => Promise<Place>

export function createFairShare(redis: RedisClient, queue: Queue, urgency: number): AssignRound {
  const base = (urgency - 1) * ROUNDS
  const { wait, prioritized } = keysOf(queue)
  const roundsKey = `${queue.toKey('turns')}:${urgency}`
  return createBatcher(MAX_BATCH, async (submitters: readonly string[]) => {
    const places = await retryWithoutWrongTypes(redis, { [roundsKey]: 'zset' }, () =>
      assignRounds(redis, {
        prioritizedKey: prioritized,
        roundsKey,
        waitKey: wait,
        minScore: base * SCORE_PER_PRIORITY,
        maxScore: (base + ROUNDS) * SCORE_PER_PRIORITY,
        basePriority: base,
        maxRound: ROUNDS - 1,
        ttlMs: ROUNDS_TTL_MS,
        sessionsPerRound: SESSIONS_PER_ROUND,
        submitters,
      }),
    )
    return places.map(({ round, position }) => ({ priority: base + round, position }))
  })
}
