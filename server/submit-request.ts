/** Takes a request: checks it, makes its record, queues its job. The same key and body make one request. */
import { nanoid } from 'nanoid'
import type { EnqueueRequest } from '../core/actions/enqueue-request.ts'
import { type Service, validateRequestData } from '../core/catalog/define-service.ts'
import { findService } from '../core/catalog/index.ts'
import { createRecord } from '../core/domain/create-record.ts'
import { AppError } from '../core/domain/errors.ts'
import { isFinal, type PublicView, toPublicView } from '../core/domain/record.ts'
import { createRequestHash } from '../core/domain/request-id.ts'
import { submitterOf } from '../core/queue/fair-share.ts'
import type { Queues } from '../core/queue/queues.ts'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'
import type { OwnerCheck } from '../core/runtime/config.ts'
import { fingerprint, type Idempotency, type IdempotencyClaim } from '../core/store/idempotency-keys.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import { subjectOf } from '../core/store/subject-limits.ts'
import type { Places } from '../core/store/unfinished-limits.ts'
import { deriveOwnerToken, hashToken } from './ownership.ts'
import { type Limits, readSchedule, type Schedule, type ScheduleOptions } from './schedule.ts'

/** As many ended requests of the same kind are looked through for one to join; after that each submit makes its own. */
export const MAX_ENDED_CHECKED = 20

export interface Submission {
  slug: string
  requestData: Record<string, unknown>
  /** When it is to run and how urgent it is; at once and as its service says when left out. */
  scheduleOptions?: ScheduleOptions
  /** Whose Idempotency-Key it is. */
  caller: string
  idempotencyKey: string | null
  sessionId: string | null
  /** Where it was sent from, for turns. */
  network: string
}

/** @throws AppError `unknown_service`, `validation_failed` with every bad field, `idempotency_key_reused`, `subject_limit_reached`, `too_many_unfinished`, `queue_full`, `storage_unavailable` */
export type Submit = (submission: Submission) => Promise<Submitted>

export interface Submitted {
  view: PublicView
  replayed: boolean
  /** For the submitter alone, and told nowhere else; null while nobody asks for it (OWNER_CHECK=off). */
  ownerToken: string | null
}

/** What a request is made of. */
interface SubmissionPlan {
  service: Service
  data: Record<string, string>
  schedule: Schedule
  claim: IdempotencyClaim
  submitter: string
  sessionId: string | null
  ownerToken: string | null
}

export function createSubmit({
  store,
  queues,
  places,
  enqueueRequest,
  idempotency,
  ownerCheck,
  secret,
  limits,
  ttlSeconds,
  now = Date.now,
}: {
  store: Pick<RequestStore, 'read'>
  queues: Pick<Queues, 'position'>
  /** Beyond which nothing is taken. */
  places: Places
  enqueueRequest: EnqueueRequest
  idempotency: Idempotency
  ownerCheck: OwnerCheck
  secret: Pick<InstallationSecret, 'digest'>
  limits: Limits
  ttlSeconds: number
  now?: () => number
}): Submit {
  async function create({ service, data, schedule, claim, ...from }: SubmissionPlan): Promise<PublicView> {
    const { hash, createdAt } = claim
    const record = createRecord({
      hash,
      service,
      requestData: data,
      sessionId: from.sessionId,
      ownerHash: from.ownerToken && hashToken(from.ownerToken),
      submitter: from.submitter,
      subject: subjectOf(service, data, secret),
      ...schedule,
      now: createdAt,
      ttlSeconds,
    })
    const position = await withStorageErrors(async () => {
      await places.reserve(record)
      await enqueueRequest(record, service).catch(async (error: unknown) => {
        // Only this refusal says that nothing was made.
        if (error instanceof AppError && error.code === 'subject_limit_reached') await places.release(record)
        throw error
      })
      return queues.position(hash, service.queue)
    })
    return toPublicView(record, now(), position)
  }

  /**
   * Where the service says so, a person who asks the same thing again is brought to their running request. Only a
   * session tells persons apart: an address may be many people's, so a program without one always gets its own.
   */
  async function createOrDeduplicate(plan: SubmissionPlan): Promise<PublicView> {
    const { service, data, schedule, sessionId, claim: newClaim } = plan
    const mayJoin = service.dedupe === 'active' && schedule.runAt === null
    if (!mayJoin || sessionId === null) return create(plan)
    const caller = `active:${sessionId}`
    let key = fingerprint(sessionId, [service.slug, data])
    for (let ended = 0; ended < MAX_ENDED_CHECKED; ended++) {
      const existing = await withStorageErrors(() => idempotency.claim(caller, key, newClaim))
      const stored = await store.read(existing.hash)
      if (stored && !isFinal(stored.record.status)) return toPublicView(stored.record, now())
      if (!stored && !(await withStorageErrors(() => idempotency.getResponse(caller, key)))) {
        // Not there yet, or whoever claimed it died: made now, under the hash that stands.
        const created = await create({ ...plan, claim: existing })
        return withStorageErrors(() =>
          idempotency.saveResponse(caller, key, created, responseTtlSeconds(existing)),
        )
      }
      key = fingerprint(key, [existing.hash])
    }
    return create(plan)
  }

  /** A request that ends at the last moment can be read for as long again. */
  const responseTtlSeconds = ({ keptSeconds }: IdempotencyClaim): number => keptSeconds + ttlSeconds

  /** @throws AppError naming all that is wrong with it */
  function check({ slug, requestData, scheduleOptions = {} }: Submission, at: number) {
    const service = findService(slug)
    if (!service)
      throw new AppError('unknown_service', { detail: `There is no service "${slug.slice(0, 100)}".` })
    const validated = validateRequestData(service, requestData)
    const { errors, ...schedule } = readSchedule(scheduleOptions, limits, at)
    if (!validated.ok) errors.unshift(...validated.errors)
    if (!validated.ok || errors.length > 0) throw new AppError('validation_failed', { errors })
    return { service, data: validated.data, schedule }
  }

  return async (submission) => {
    const { slug, caller, idempotencyKey, sessionId, network, scheduleOptions } = submission
    const createdAt = now()
    // What was right when it was first sent is so when it is sent again, though its time has come meanwhile.
    const first =
      idempotencyKey === null || scheduleOptions?.run_at === undefined
        ? null
        : await withStorageErrors(() => idempotency.find(caller, idempotencyKey))
    const checked = check(submission, first?.createdAt ?? createdAt)
    const waitSeconds = Math.ceil(Math.max(0, (checked.schedule.runAt ?? 0) - createdAt) / 1000)
    const keptSeconds = waitSeconds + ttlSeconds
    const newClaim: IdempotencyClaim = {
      fingerprint: '',
      hash: createRequestHash(createdAt),
      createdAt,
      keptSeconds,
      seed: nanoid(32),
    }
    const ownerTokenFor = ({ seed }: IdempotencyClaim) =>
      ownerCheck === 'off' ? null : deriveOwnerToken(seed, idempotencyKey)
    const plan = (claim: IdempotencyClaim): SubmissionPlan => ({
      ...checked,
      claim,
      submitter: submitterOf(sessionId, network),
      sessionId,
      ownerToken: ownerTokenFor(claim),
    })
    const submitted = (claim: IdempotencyClaim, view: PublicView): Submitted => ({
      view,
      replayed: claim !== newClaim,
      // Of a request that was joined the token was told to whoever made it; the session owns it all the same.
      ownerToken: view.hash === claim.hash ? ownerTokenFor(claim) : null,
    })
    if (idempotencyKey === null) return submitted(newClaim, await createOrDeduplicate(plan(newClaim)))

    newClaim.fingerprint = fingerprint(idempotencyKey, [slug, checked.data, scheduleOptions ?? {}])
    const claim = await withStorageErrors(() => idempotency.claim(caller, idempotencyKey, newClaim))
    if (claim.fingerprint !== newClaim.fingerprint) throw new AppError('idempotency_key_reused')
    const answer =
      claim === newClaim
        ? null
        : await withStorageErrors(() => idempotency.getResponse(caller, idempotencyKey))
    if (answer) return submitted(claim, answer)
    const created = await createOrDeduplicate(plan(claim))
    return submitted(
      claim,
      await withStorageErrors(() =>
        idempotency.saveResponse(caller, idempotencyKey, created, responseTtlSeconds(claim)),
      ),
    )
  }
}

async function withStorageErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError('storage_unavailable', { cause })
  }
}
