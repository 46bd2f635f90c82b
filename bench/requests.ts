/** Requests for the benchmarks: as their service makes them, half-way through. */

import type { Service } from '../core/catalog/define-service.ts'
import { findService } from '../core/catalog/index.ts'
import type { Command } from '../core/domain/command.ts'
import { createRecord } from '../core/domain/create-record.ts'
import { type RequestRecord, toPublicView } from '../core/domain/record.ts'
import { createRequestHash } from '../core/domain/request-id.ts'
import { transition } from '../core/domain/state-machine.ts'
import { encodeRecord } from '../core/records/codec.ts'
import type { RedisClient } from '../core/redis/connect.ts'

export const TTL_SECONDS = 1800
export const SERVICE = findService('credit-score-rating') as Service
export const REQUEST_DATA = { mobile: '09123456789', national_code: '0012345679' }
export const RESULT = { score: 712, grade: 'B', checked_at: '2026-01-01' }
const AT_ONCE = 1000

/** Two steps done, one under way. */
const UNDER_WAY: Command[] = [
  { type: 'start', attempt: 1, limitSeconds: 180 },
  { type: 'progress', attempt: 1, progress: 25, step: SERVICE.steps[1]?.id },
  { type: 'progress', attempt: 1, progress: 50, step: SERVICE.steps[2]?.id },
]
const DONE: Command[] = [...UNDER_WAY, { type: 'complete', attempt: 1, result: RESULT }]
const CHANGES = { pending: [], 'under way': UNDER_WAY, done: DONE } satisfies Record<string, Command[]>

export function aRecord(state: keyof typeof CHANGES, now = Date.now()): RequestRecord {
  const first = createRecord({
    hash: createRequestHash(now),
    service: SERVICE,
    requestData: REQUEST_DATA,
    sessionId: null,
    submitter: 'aRZ5dwY8ffNb',
    now,
    ttlSeconds: TTL_SECONDS,
  })
  return CHANGES[state].reduce<RequestRecord>((record, change) => {
    const advanced = transition(record, change, { now, ttlSeconds: TTL_SECONDS })
    if (!advanced.ok) throw new Error(advanced.refusal)
    return advanced.record
  }, first)
}

export const aView = (): unknown => toPublicView(aRecord('under way'), Date.now())

/** Puts so many requests into Redis that are under way. @returns their hashes */
export async function seed(redis: RedisClient, count: number): Promise<string[]> {
  const hashes: string[] = []
  for (let from = 0; from < count; from += AT_ONCE) {
    const pipeline = redis.pipeline()
    const like = aRecord('under way')
    for (let i = from; i < Math.min(count, from + AT_ONCE); i++) {
      const record = { ...like, hash: createRequestHash(Date.now()) }
      hashes.push(record.hash)
      pipeline.set(
        redis.names.record(record.hash),
        encodeRecord(record),
        'PXAT',
        Date.parse(record.expires_at),
      )
    }
    await pipeline.exec()
  }
  return hashes
}
