/** The requests that the benchmark works with. */
import { type ServiceDefinition, serviceSchema } from '../core/catalog/service-definition.ts'
import type { Command } from '../core/domain/command.ts'
import { createRecord } from '../core/domain/create-record.ts'
import type { RequestRecord } from '../core/domain/record.ts'
import { createRequestHash } from '../core/domain/request-id.ts'
import { transition } from '../core/domain/state-machine.ts'
import { encodeRecord } from '../core/records/codec.ts'
import { openRedis, type RedisClient } from '../core/redis/connect.ts'
import { createLog } from '../core/runtime/log.ts'
import { createServiceRegistry } from '../core/store/service-registry.ts'

export const TTL_SECONDS = 1800
const DEFINITION: ServiceDefinition = {
  slug: 'credit-score-rating',
  title: { en: 'Credit score', fa: 'رتبهٔ اعتباری' },
  fields: [
    { name: 'mobile', type: 'mobile', label: { en: 'Mobile number', fa: 'شمارهٔ تلفن همراه' } },
    { name: 'national_code', type: 'national_code', label: { en: 'National code', fa: 'کد ملی' } },
  ],
  steps: [
    'authentication',
    'captcha_solving',
    'sending_otp',
    'waiting_otp',
    'verifying_otp',
    'processing_result',
  ].map((id) => ({ id, title: id })),
  usual_seconds: 60,
  asks_for_code: true,
  subject: 'mobile',
  queue: { name: 'inquiries' },
  dedupe: 'active',
}
export const SERVICE = serviceSchema.parse(DEFINITION)
export const REQUEST_DATA = { mobile: '09123456789', national_code: '0012345679' }
/** The step and progress of a request under way; a bot that reports them again changes only the message. */
export const STEP = SERVICE.steps[2]?.id
export const PROGRESS = 50
export const ATTEMPT = 1
const SEEDED_TOGETHER = 1000

const UNDER_WAY: Command[] = [
  { type: 'start', attempt: ATTEMPT, limitSeconds: 180 },
  { type: 'progress', attempt: ATTEMPT, progress: 25, step: SERVICE.steps[1]?.id },
  { type: 'progress', attempt: ATTEMPT, progress: PROGRESS, step: STEP },
]

export function pendingRecord(now = Date.now()): RequestRecord {
  return createRecord({
    hash: createRequestHash(now),
    service: SERVICE,
    requestData: REQUEST_DATA,
    sessionId: null,
    submitter: 'aRZ5dwY8ffNb',
    now,
    ttlSeconds: TTL_SECONDS,
  })
}

/** Writes records of requests under way to Redis. @returns their hashes */
export async function seed(redis: RedisClient, count: number): Promise<string[]> {
  const now = Date.now()
  const underWay = UNDER_WAY.reduce<RequestRecord>((record, command) => {
    const result = transition(record, command, { now, ttlSeconds: TTL_SECONDS })
    if (!result.ok) throw new Error(result.rejection)
    return result.record
  }, pendingRecord(now))
  const hashes = Array.from({ length: count }, () => createRequestHash(now))
  for (let from = 0; from < count; from += SEEDED_TOGETHER) {
    const pipeline = redis.pipeline()
    for (const hash of hashes.slice(from, from + SEEDED_TOGETHER))
      pipeline.setex(redis.names.record(hash), TTL_SECONDS, encodeRecord({ ...underWay, hash }))
    await pipeline.exec()
  }
  return hashes
}

/** For servers that are measured: they know only services that were announced. */
export async function announceService(redisUrl: string, bot?: string): Promise<void> {
  const connections = await openRedis({ kind: 'single', url: redisUrl }, createLog('bench', 'warn'))
  const redis = await connections.connect('patient')
  await createServiceRegistry({ redis }).announce({
    definition: DEFINITION,
    owner: 'default',
    ...(bot && { bot: { address: bot, concurrency: 100 } }),
  })
  await connections.stop()
}
