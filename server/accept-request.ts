/**
 * Creates the request of a validated submission: its record, its job, its reservations within the limits. Where the
 * service deduplicates, an identical running request of the session is returned instead.
 */
import type { EnqueueRequest } from '../core/actions/enqueue-request.ts'
import type { Service } from '../core/catalog/service-definition.ts'
import { createRecord } from '../core/domain/create-record.ts'
import { isFinal, type PublicView, toPublicView } from '../core/domain/record.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import { withWaiting } from '../core/domain/waiting.ts'
import type { QueuePositions } from '../core/queue/queue-positions.ts'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'
import type { Log } from '../core/runtime/log.ts'
import type { SecretBox } from '../core/runtime/secret-box.ts'
import type { Fingerprint, Idempotency, IdempotencyClaim } from '../core/store/idempotency-keys.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import { withStorageErrors } from '../core/store/storage-errors.ts'
import { subjectOf } from '../core/store/subject-limits.ts'
import { hashToken } from './ownership.ts'
import type { Schedule } from './schedule.ts'
import type { User } from './sign-in.ts'

/** How many ended requests with the same content are checked for a running one before another is created. */
export const MAX_ENDED_CHECKED = 20

/** A validated submission and the claim its request is created under. */
export interface SubmissionPlan {
  service: Service
  data: Record<string, unknown>
  schedule: Schedule
  claim: IdempotencyClaim
  submitter: string
  sessionId: string | null
  callId: string
  counted: Promise<void> | undefined
  user: User | null
  ownerToken: string | null
}

/** @throws AppError `service_closed`, `subject_limit_reached`, `too_many_unfinished`, `queue_full`, `storage_unavailable` */
export type AcceptRequest = (plan: SubmissionPlan) => Promise<PublicView>

export interface AcceptRequestDeps {
  store: Pick<RequestStore, 'read'>
  enqueueRequest: EnqueueRequest
  queuePositions: Pick<QueuePositions, 'describe'>
  /** @throws AppError `service_closed`, `queue_full` */
  admit(slug: string): Promise<void>
  idempotency: Idempotency
  fingerprint: Fingerprint
  secret: Pick<InstallationSecret, 'digest'>
  secretBox: Pick<SecretBox, 'seal'>
  ttlSeconds: number
  log: Log
  now?: () => number
}

export function createAcceptRequest(deps: AcceptRequestDeps): AcceptRequest {
  const { store, idempotency, fingerprint, ttlSeconds, now = Date.now } = deps

  return async (plan) => {
    const { service, data, schedule, claim: newClaim } = plan
    // Only a person who is signed in and a session identify a submitter: many people may share an address or an API key,
    // so a program always gets a request of its own.
    const mayDeduplicate = service.dedupe === 'active' && schedule.runAt === null
    const submitter = plan.user ? plan.user.isPerson && plan.user.digest : plan.sessionId
    if (!mayDeduplicate || !submitter) return createRequest(plan, deps)
    const caller = `active:${submitter}`
    await plan.counted
    let key = fingerprint(submitter, [service.slug, data])
    for (let ended = 0; ended < MAX_ENDED_CHECKED; ended++) {
      const claim = await withStorageErrors(() => idempotency.claim(caller, key, newClaim))
      const stored = await store.read(claim.hash)
      if (stored && !isFinal(stored.record.status)) return toPublicView(stored.record, now())
      if (!stored && !(await withStorageErrors(() => idempotency.getResponse(caller, key)))) {
        // Not created yet, or the process that claimed the key crashed: create it now, under the claimed hash.
        const view = await createRequest({ ...plan, claim }, deps)
        return withStorageErrors(() =>
          idempotency.saveResponse(caller, key, view, responseTtlSeconds(claim, ttlSeconds)),
        )
      }
      key = fingerprint(key, [claim.hash])
    }
    return createRequest(plan, deps)
  }
}

async function createRequest(
  { service, data, schedule, claim, sessionId, user, submitter, callId, counted, ownerToken }: SubmissionPlan,
  deps: AcceptRequestDeps,
): Promise<PublicView> {
  const { enqueueRequest, queuePositions, admit, secret, secretBox, ttlSeconds, log, now = Date.now } = deps
  await admit(service.slug)
  const { hash, createdAt } = claim
  const record = createRecord({
    hash,
    service,
    requestData: sealSecrets(service, data, secretBox),
    sessionId,
    userId: user?.id ?? null,
    ownerHash: ownerToken && hashToken(ownerToken),
    submitter,
    subject: subjectOf(service, data, secret),
    ...schedule,
    now: createdAt,
    ttlSeconds,
  })
  const position = await withStorageErrors(() => enqueueRequest(record, service, counted))
  log.info({ call_id: callId, request: shortReference(hash), service: service.slug }, 'request accepted')
  const view = toPublicView(record, now())
  return withWaiting(view, queuePositions.describe(view, service, position))
}

/** How long the response stays stored: a request that ends at its deadline is readable for another `ttlSeconds`. */
export const responseTtlSeconds = ({ keptSeconds }: IdempotencyClaim, ttlSeconds: number): number =>
  keptSeconds + ttlSeconds

/** What was typed into fields of type `secret` is stored sealed. */
function sealSecrets(
  { fields }: Pick<Service, 'fields'>,
  data: Record<string, unknown>,
  box: Pick<SecretBox, 'seal'>,
): Record<string, unknown> {
  const secrets = fields.filter(({ name, type }) => type === 'secret' && Object.hasOwn(data, name))
  return { ...data, ...Object.fromEntries(secrets.map(({ name }) => [name, box.seal(String(data[name]))])) }
}
