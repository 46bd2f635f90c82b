/** Takes a request: checks it, makes its record, queues its job. The same key and body make one request. */
import { AppError } from '../core/errors.ts'
import { createHash } from '../core/hash.ts'
import { newRecord } from '../core/new-record.ts'
import { type PublicView, publicView } from '../core/record.ts'
import { type Claim, fingerprint, type Idempotency } from '../core/redis/idempotency.ts'
import type { Queues } from '../core/redis/queues.ts'
import type { RequestStore } from '../core/redis/request-store.ts'
import { findService } from '../core/services/index.ts'
import { type Service, validateRequestData } from '../core/services/service.ts'

export interface Submission {
  slug: string
  requestData: Record<string, unknown>
  /** Whose Idempotency-Key it is. */
  caller: string
  idempotencyKey: string | null
  sessionId: string | null
}

/** @throws AppError `unknown_service`, `validation_failed` with every bad field, `idempotency_key_reused`, `storage_unavailable` */
export type Submit = (submission: Submission) => Promise<{ view: PublicView; replayed: boolean }>

export function createSubmit({
  store,
  queues,
  idempotency,
  ttlSeconds,
  now = Date.now,
}: {
  store: RequestStore
  queues: Queues
  idempotency: Idempotency
  ttlSeconds: number
  now?: () => number
}): Submit {
  async function create(
    service: Service,
    data: Record<string, string>,
    claim: Claim,
    sessionId: string | null,
  ): Promise<PublicView> {
    const { hash, createdAt } = claim
    const record = newRecord({ hash, service, requestData: data, sessionId, now: createdAt, ttlSeconds })
    // The record comes first: a worker must never meet a job without one. A job whose record exists already is added
    // again, since whoever made the record may have died before; BullMQ takes the same id only once.
    await store.create(record)
    const position = await available(async () => {
      await queues.add(hash, service.queue, service.tries)
      return queues.position(hash, service.queue)
    })
    return publicView(record, now(), position)
  }

  return async ({ slug, requestData, caller, idempotencyKey, sessionId }) => {
    const service = findService(slug)
    if (!service)
      throw new AppError('unknown_service', { detail: `There is no service "${slug.slice(0, 100)}".` })
    const validated = validateRequestData(service, requestData)
    if (!validated.ok) throw new AppError('validation_failed', { errors: validated.errors })

    const createdAt = now()
    const mine: Claim = { fingerprint: '', hash: createHash(createdAt), createdAt }
    if (idempotencyKey === null)
      return { view: await create(service, validated.data, mine, sessionId), replayed: false }

    mine.fingerprint = fingerprint(idempotencyKey, [slug, validated.data])
    const claim = await available(() => idempotency.claim(caller, idempotencyKey, mine))
    if (claim.fingerprint !== mine.fingerprint) throw new AppError('idempotency_key_reused')
    const replayed = claim !== mine
    const first = replayed ? await available(() => idempotency.answer(caller, idempotencyKey)) : null
    if (first) return { view: first, replayed }
    const view = await create(service, validated.data, claim, sessionId)
    return { view: await available(() => idempotency.settle(caller, idempotencyKey, view)), replayed }
  }
}

async function available<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError('storage_unavailable', { cause })
  }
}
