/** Whether requests can be served end to end, and if not, why. */
import type { Catalog } from '../catalog/catalog.ts'
import type { Fault } from '../domain/fault.ts'
import type { RedisClient } from '../redis/connect.ts'
import { memoryShare } from '../redis/server-info.ts'
import { queuesWithoutWorker } from './worker-heartbeat.ts'

/** From this share of its memory on, a Redis is nearly full. */
export const NEARLY_FULL = 0.9

export interface Readiness {
  /** What is wrong with each. */
  checks: Record<'redis' | 'writes' | 'workers', readonly Fault[]>
  /** What works now, but not for long. */
  warnings: Partial<Record<'memory' | 'services', readonly Fault[]>>
}

/** Answers are cached this long, so that frequent probes cost Redis nothing. */
const CACHE_MS = 1_000
const PROBE_TTL_SECONDS = 10
/** Workers may take this long to take the jobs of a queue that has appeared. */
const NEW_QUEUE_MS = 10_000
const NO_ANSWER: Fault = { code: 'no_answer' }

const REFUSALS: readonly [RegExp, Fault['code']][] = [
  [/^OOM/, 'full'],
  [/^READONLY/, 'replica'],
  [/^MISCONF/, 'disk'],
  [/^NOREPLICAS/, 'few_replicas'],
  [/^NO(?:PERM|AUTH)/, 'no_write_right'],
]

/** Null when Redis accepts a write, else why not. */
export async function tryToWrite(redis: RedisClient): Promise<Fault | null> {
  try {
    await redis.set(redis.names.writeProbe, '1', 'EX', PROBE_TTL_SECONDS)
    return null
  } catch (error) {
    const { name, message } = error as Error
    if (name !== 'ReplyError') return NO_ANSWER
    const known = REFUSALS.find(([pattern]) => pattern.test(message))
    if (known) return { code: known[1] }
    return { code: 'refused', params: { error: /^[A-Z]+/.exec(message)?.[0] ?? 'ERR' } }
  }
}

/** @param queues the names of the queues from which jobs must be taken */
export function createReadiness({
  redis,
  queues,
  catalog,
}: {
  redis: RedisClient
  queues: () => readonly string[]
  /** For warnings about services whose bots are silent or stopping. */
  catalog?: Pick<Catalog, 'all' | 'isSilent' | 'isStopping'>
}): { check(): Promise<Readiness> } {
  const knownSince = new Map(queues().map((name) => [name, Number.NEGATIVE_INFINITY]))
  const isEstablished = (name: string): boolean => {
    const since = knownSince.get(name) ?? performance.now()
    knownSince.set(name, since)
    return performance.now() - since >= NEW_QUEUE_MS
  }
  let last: { at: number; answer: Promise<Readiness> } | null = null

  async function look(): Promise<Readiness> {
    const [answers, refusal, missing, share, forbidden] = await Promise.all([
      redis.ping().then(
        () => true,
        // A Redis that cannot save to its disk refuses even this.
        (error: Error) => error.name === 'ReplyError',
      ),
      tryToWrite(redis),
      queuesWithoutWorker(redis, queues().filter(isEstablished)).catch(() => null),
      memoryShare(redis).catch(() => null),
      redis.refusal().catch(() => null),
    ])
    const warnings: Readiness['warnings'] = {}
    if (refusal === null && share !== null && share >= NEARLY_FULL)
      warnings.memory = [{ code: 'nearly_full', params: { percent: Math.floor(share * 100) } }]
    const services = catalog ? faultsOfServices(catalog) : []
    if (services.length > 0) warnings.services = services
    return {
      checks: {
        redis: !answers
          ? [NO_ANSWER]
          : forbidden
            ? [{ code: 'rights', params: { sentence: forbidden } }]
            : [],
        writes: refusal ? [refusal] : [],
        workers: workers(missing, refusal),
      },
      warnings,
    }
  }

  return {
    check() {
      const now = performance.now()
      if (last === null || now - last.at > CACHE_MS) last = { at: now, answer: look() }
      return last.answer
    },
  }
}

function workers(missing: string[] | null, refusal: Fault | null): Fault[] {
  if (missing?.length === 0) return []
  // Their signs of life are writes, too.
  if (missing === null || refusal !== null) return [{ code: 'unseen', cause: refusal ?? NO_ANSWER }]
  return [{ code: 'untaken', params: { queues: missing.join(', ') } }]
}

/** None when a bot of every service was announced within a minute and accepts requests. */
function faultsOfServices(catalog: Pick<Catalog, 'all' | 'isSilent' | 'isStopping'>): Fault[] {
  const slugs = catalog.all().map(({ slug }) => slug)
  if (slugs.length === 0) return [{ code: 'no_services' }]
  const silent = slugs.filter(catalog.isSilent)
  const stopping = slugs.filter((slug) => catalog.isStopping(slug) && !catalog.isSilent(slug))
  const fault = (code: Fault['code'], services: readonly string[]): Fault[] =>
    services.length > 0 ? [{ code, params: { services: services.join(', ') } }] : []
  return [...fault('silent', silent), ...fault('stopping', stopping)]
}
