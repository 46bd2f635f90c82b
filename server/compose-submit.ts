/** Composes what accepts submits. */
import { createEnqueueRequest } from '../core/actions/enqueue-request.ts'
import type { Catalog } from '../core/catalog/catalog.ts'
import type { QueuePositions } from '../core/queue/queue-positions.ts'
import type { Queues } from '../core/queue/queues.ts'
import type { RedisClient } from '../core/redis/connect.ts'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'
import type { Config } from '../core/runtime/config.ts'
import type { Log } from '../core/runtime/log.ts'
import { createSecretBox } from '../core/runtime/secret-box.ts'
import { createIdempotency, type Fingerprint } from '../core/store/idempotency-keys.ts'
import type { MemoryLimit } from '../core/store/memory-limit.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import type { ServiceClosing } from '../core/store/service-closing.ts'
import type { SessionRequests } from '../core/store/session-requests.ts'
import type { SubjectLimiter } from '../core/store/subject-limits.ts'
import { createUnfinishedLimiter } from '../core/store/unfinished-limits.ts'
import { createAcceptRequest } from './accept-request.ts'
import type { ServerMetrics } from './server-metrics.ts'
import type { SignIn } from './sign-in.ts'
import { createSubmit, type Submit } from './submit-request.ts'

export function composeSubmit(
  {
    redis,
    secret,
    catalog,
    config,
    log,
    now,
    metrics,
  }: {
    redis: RedisClient
    secret: Pick<InstallationSecret, 'digest'>
    catalog: Catalog
    config: Pick<Config, 'requestTtlSeconds' | 'server' | 'bots'>
    log: Log
    now?: () => number
    metrics?: ServerMetrics
  },
  {
    store,
    queues,
    queuePositions,
    closing,
    memoryLimit,
  }: {
    store: RequestStore
    queues: Queues
    queuePositions: QueuePositions
    closing: Pick<ServiceClosing, 'admit'>
    memoryLimit: MemoryLimit
  },
  {
    fingerprint,
    signIn,
    ...shared
  }: {
    signIn: Pick<SignIn, 'limitsOf'>
    subjectLimiter: SubjectLimiter
    sessionRequests: SessionRequests
    fingerprint: Fingerprint
  },
): Submit {
  const ttlSeconds = config.requestTtlSeconds
  const idempotency = createIdempotency({ redis })
  const unfinishedLimiter = createUnfinishedLimiter({
    redis,
    limits: config.server,
    ttlSeconds,
    now: now ?? Date.now,
    onLimit: metrics?.onLimit,
    ownLimitsOf: signIn.limitsOf,
  })
  return createSubmit({
    catalog,
    acceptRequest: createAcceptRequest({
      store,
      enqueueRequest: createEnqueueRequest({ store, queues, unfinishedLimiter, ...shared }),
      queuePositions,
      admit(slug) {
        memoryLimit.admit()
        return closing.admit(slug)
      },
      idempotency,
      fingerprint,
      secret,
      secretBox: createSecretBox(config.bots.token),
      ttlSeconds,
      log,
      now,
    }),
    idempotency,
    fingerprint,
    ownerCheck: config.server.ownerCheck,
    limits: config.server,
    ttlSeconds,
    now,
  })
}
