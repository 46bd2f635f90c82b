/** Takes a request: checks it, makes its record, queues its job. The same key and body make one request. */
import { nanoid } from 'nanoid'
import type { OwnerCheck } from '../core/config.ts'
import { AppError } from '../core/errors.ts'
import { createHash } from '../core/hash.ts'
import { newRecord } from '../core/new-record.ts'
import { isFinal, type PublicView, publicView } from '../core/record.ts'
import type { Deadlines } from '../core/redis/deadlines.ts'
import { type Claim, fingerprint, type Idempotency } from '../core/redis/idempotency.ts'
import type { Queues } from '../core/redis/queues.ts'
import type { RequestStore } from '../core/redis/request-store.ts'
import { findService } from '../core/services/index.ts'
import { type Service, validateRequestData } from '../core/services/service.ts'
import { hashToken, ownerTokenOf } from './ownership.ts'

export interface Submission {
  slug: string
  requestData: Record<string, unknown>
  /** Whose Idempotency-Key it is. */
  caller: string
  idempotencyKey: string | null
  sessionId: string | null
}

/** When a rescuer looks for the first time: early enough for a service with a short limit, or for a job that was lost. */
const FIRST_LOOK_MS = 10_000

/** @throws AppError `unknown_service`, `validation_failed` with every bad field, `idempotency_key_reused`, `storage_unavailable` */
export type Submit = (submission: Submission) => Promise<Submitted>

export interface Submitted {
  view: PublicView
  replayed: boolean
  /** For the submitter alone, and told nowhere else; null while nobody asks for it (OWNER_CHECK=off). */
  ownerToken: string | null
}

export function createSubmit({
  store,
  queues,
  idempotency,
  deadlines,
  ownerCheck,
  ttlSeconds,
  now = Date.now,
}: {
  store: RequestStore
  deadlines: Deadlines
  queues: Queues
  idempotency: Idempotency
  ownerCheck: OwnerCheck
  ttlSeconds: number
  now?: () => number
}): Submit {
  async function create(
    service: Service,
    data: Record<string, string>,
    claim: Claim,
    owner: { sessionId: string | null; ownerToken: string | null },
  ): Promise<PublicView> {
    const { hash, createdAt } = claim
    const record = newRecord({
      hash,
      service,
      requestData: data,
      sessionId: owner.sessionId,
      ownerHash: owner.ownerToken && hashToken(owner.ownerToken),
      now: createdAt,
      ttlSeconds,
    })
    // The record comes first: a worker must never meet a job without one. A job whose record exists already is added
    // again, since whoever made the record may have died before; BullMQ takes the same id only once.
    await Promise.all([
      available(() => deadlines.remind(hash, createdAt + FIRST_LOOK_MS)),
      store.create(record),
    ])
    const position = await available(async () => {
      await queues.add(hash, service.queue)
      return queues.position(hash, service.queue)
    })
    return publicView(record, now(), position)
  }

  /**
   * Where the service says so, a person who asks the same thing again is brought to their running request. Only a
   * session tells persons apart: an address may be many people's, so a program without one always gets its own.
   */
  async function createOrJoin(
    ...[service, data, mine, owner]: Parameters<typeof create>
  ): Promise<PublicView> {
    const { sessionId } = owner
    if (service.dedupe !== 'active' || sessionId === null) return create(service, data, mine, owner)
    const caller = `active:${sessionId}`
    let key = fingerprint(sessionId, [service.slug, data])
    for (;;) {
      const standing = await available(() => idempotency.claim(caller, key, mine))
      const stored = await store.read(standing.hash)
      if (stored && !isFinal(stored.record.status)) return publicView(stored.record, now())
      if (!stored && !(await available(() => idempotency.answer(caller, key)))) {
        // Not there yet, or whoever claimed it died: made now, under the hash that stands.
        return available(async () =>
          idempotency.settle(caller, key, await create(service, data, standing, owner)),
        )
      }
      key = fingerprint(key, [standing.hash])
    }
  }

  return async ({ slug, requestData, caller, idempotencyKey, sessionId }) => {
    const service = findService(slug)
    if (!service)
      throw new AppError('unknown_service', { detail: `There is no service "${slug.slice(0, 100)}".` })
    const validated = validateRequestData(service, requestData)
    if (!validated.ok) throw new AppError('validation_failed', { errors: validated.errors })

    const createdAt = now()
    const mine: Claim = { fingerprint: '', hash: createHash(createdAt), createdAt, seed: nanoid(32) }
    const tokenOf = ({ seed }: Claim) => (ownerCheck === 'off' ? null : ownerTokenOf(seed, idempotencyKey))
    const owned = (claim: Claim) => ({ sessionId, ownerToken: tokenOf(claim) })
    const submitted = (claim: Claim, view: PublicView): Submitted => ({
      view,
      replayed: claim !== mine,
      // Of a request that was joined the token was told to whoever made it; the session owns it all the same.
      ownerToken: view.hash === claim.hash ? tokenOf(claim) : null,
    })
    if (idempotencyKey === null) {
      return submitted(mine, await createOrJoin(service, validated.data, mine, owned(mine)))
    }

    mine.fingerprint = fingerprint(idempotencyKey, [slug, validated.data])
    const claim = await available(() => idempotency.claim(caller, idempotencyKey, mine))
    if (claim.fingerprint !== mine.fingerprint) throw new AppError('idempotency_key_reused')
    const first = claim === mine ? null : await available(() => idempotency.answer(caller, idempotencyKey))
    if (first) return submitted(claim, first)
    const made = await createOrJoin(service, validated.data, claim, owned(claim))
    return submitted(claim, await available(() => idempotency.settle(caller, idempotencyKey, made)))
  }
}

async function available<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError('storage_unavailable', { cause })
  }
}
