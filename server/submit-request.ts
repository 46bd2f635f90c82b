/** Submits a request: validates it and creates it once per Idempotency-Key and body. */
import { nanoid } from 'nanoid'
import type { Catalog } from '../core/catalog/catalog.ts'
import { validateRequestData } from '../core/catalog/request-data.ts'
import type { Service } from '../core/catalog/service-definition.ts'
import { AppError } from '../core/domain/errors.ts'
import type { PublicView } from '../core/domain/record.ts'
import { createRequestHash } from '../core/domain/request-id.ts'
import { submitterOf } from '../core/queue/fair-share.ts'
import type { OwnerCheck } from '../core/runtime/config.ts'
import {
  type Fingerprint,
  fingerprintBefore,
  type Idempotency,
  type IdempotencyClaim,
} from '../core/store/idempotency-keys.ts'
import { withStorageErrors } from '../core/store/storage-errors.ts'
import { type AcceptRequest, responseTtlSeconds } from './accept-request.ts'
import { deriveOwnerToken } from './ownership.ts'
import { readSchedule, type Schedule, type ScheduleLimits, type ScheduleOptions } from './schedule.ts'
import type { User } from './sign-in.ts'

export interface Submission {
  slug: string
  requestData: Record<string, unknown>
  /** When it runs and its priority; left out: immediately, with the service's priority. */
  scheduleOptions?: ScheduleOptions
  /** The scope of the Idempotency-Key. */
  caller: string
  idempotencyKey: string | null
  sessionId: string | null
  user: User | null
  /** The network it was sent from, for fair scheduling among those who are not signed in. */
  network: string
  /** The id of the call, for the log. */
  callId: string
  /** Nothing is stored before it has resolved; it rejects when the caller's limit is reached. */
  counted?: Promise<void>
}

/** @throws AppError `unknown_service`, `validation_failed` with every invalid field, `idempotency_key_reused`, `service_closed`, `subject_limit_reached`, `too_many_unfinished`, `queue_full`, `storage_unavailable` */
export type Submit = (submission: Submission) => Promise<Submitted>

export interface Submitted {
  view: PublicView
  replayed: boolean
  /** For the submitter alone, never logged or published; null with OWNER_CHECK=off, which needs none. */
  ownerToken: string | null
}

export function createSubmit({
  catalog,
  acceptRequest,
  idempotency,
  fingerprint,
  ownerCheck,
  limits,
  ttlSeconds,
  now = Date.now,
}: {
  catalog: Pick<Catalog, 'find'>
  acceptRequest: AcceptRequest
  idempotency: Idempotency
  fingerprint: Fingerprint
  ownerCheck: OwnerCheck
  limits: ScheduleLimits
  ttlSeconds: number
  now?: () => number
}): Submit {
  /** A repeated submit is validated as of its first one: its `run_at` may have passed meanwhile. */
  async function validationTime(submission: Submission, createdAt: number): Promise<number> {
    const { caller, idempotencyKey, scheduleOptions } = submission
    if (idempotencyKey === null || scheduleOptions?.run_at === undefined) return createdAt
    const first = await withStorageErrors(() => idempotency.find(caller, idempotencyKey))
    return first?.createdAt ?? createdAt
  }

  return async (submission) => {
    const { slug, caller, idempotencyKey, sessionId, user, network, callId, counted, scheduleOptions } =
      submission
    const createdAt = now()
    const validated = validate(catalog, submission, limits, await validationTime(submission, createdAt))
    const newClaim = createClaim(createdAt, validated.schedule, ttlSeconds)
    const ownerTokenFor = ({ seed }: IdempotencyClaim) =>
      ownerCheck === 'off' ? null : deriveOwnerToken(seed, idempotencyKey)
    const accept = (claim: IdempotencyClaim): Promise<PublicView> =>
      acceptRequest({
        ...validated,
        claim,
        submitter: user ? submitterOf(null, user.digest) : submitterOf(sessionId, network),
        sessionId,
        callId,
        counted,
        user,
        ownerToken: ownerTokenFor(claim),
      })
    const toSubmitted = (claim: IdempotencyClaim, view: PublicView): Submitted => ({
      view,
      replayed: claim !== newClaim,
      // The token of a deduplicated request went to its first submit; the session owns the request all the same.
      ownerToken: view.hash === claim.hash ? ownerTokenFor(claim) : null,
    })
    if (idempotencyKey === null) return toSubmitted(newClaim, await accept(newClaim))

    await counted
    const sent = [slug, validated.data, scheduleOptions ?? {}]
    newClaim.fingerprint = fingerprint(idempotencyKey, sent)
    const claim = await withStorageErrors(() => idempotency.claim(caller, idempotencyKey, newClaim))
    if (![newClaim.fingerprint, fingerprintBefore(idempotencyKey, sent)].includes(claim.fingerprint))
      throw new AppError('idempotency_key_reused')
    const response =
      claim === newClaim
        ? null
        : await withStorageErrors(() => idempotency.getResponse(caller, idempotencyKey))
    if (response) return toSubmitted(claim, response)
    const view = await accept(claim)
    const firstResponse = await withStorageErrors(() =>
      idempotency.saveResponse(caller, idempotencyKey, view, responseTtlSeconds(claim, ttlSeconds)),
    )
    return toSubmitted(claim, firstResponse)
  }
}

/** @throws AppError with every error at once */
function validate(
  catalog: Pick<Catalog, 'find'>,
  { slug, requestData, scheduleOptions = {} }: Submission,
  limits: ScheduleLimits,
  now: number,
): { service: Service; data: Record<string, unknown>; schedule: Schedule } {
  const service = catalog.find(slug)
  if (!service)
    throw new AppError('unknown_service', { detail: `There is no service "${slug.slice(0, 100)}".` })
  const validated = validateRequestData(service, requestData)
  const { errors, ...schedule } = readSchedule(scheduleOptions, limits, now)
  if (!validated.ok) errors.unshift(...validated.errors)
  if (!validated.ok || errors.length > 0) throw new AppError('validation_failed', { errors })
  return { service, data: validated.data, schedule }
}

function createClaim(createdAt: number, { runAt }: Schedule, ttlSeconds: number): IdempotencyClaim {
  const delaySeconds = Math.ceil(Math.max(0, (runAt ?? 0) - createdAt) / 1000)
  return {
    fingerprint: '',
    hash: createRequestHash(createdAt),
    createdAt,
    keptSeconds: delaySeconds + ttlSeconds,
    seed: nanoid(32),
  }
}
