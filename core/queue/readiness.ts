/** Whether requests can be served end to end, and if not, why. */
import type { Catalog } from '../catalog/catalog.ts'
import type { RedisClient } from '../redis/connect.ts'
import { memoryShare } from '../redis/server-info.ts'
import { queuesWithoutWorker } from './worker-heartbeat.ts'

export const OK = 'ok'
/** From this share of its memory on, a Redis is nearly full. */
export const NEARLY_FULL = 0.9

export interface Readiness {
  /** `ok`, or what is wrong in a sentence. */
  checks: Record<'redis' | 'writes' | 'workers', string>
  /** What works now, but not for long. */
  warnings: Record<string, string>
}

/** Answers are cached this long, so that frequent probes cost Redis nothing. */
const CACHE_MS = 1_000
const PROBE_TTL_SECONDS = 10
/** Workers may take this long to take the jobs of a queue that has appeared. */
const NEW_QUEUE_MS = 10_000
const NO_ANSWER = 'Redis does not answer'

const REFUSALS: readonly [RegExp, string][] = [
  [/^OOM/, 'Redis is full and refuses writes'],
  [/^READONLY/, 'Redis refuses writes: it is a replica'],
  [/^MISCONF/, 'Redis refuses writes: it cannot save to its disk'],
  [/^NOREPLICAS/, 'Redis refuses writes: it has too few replicas'],
  [/^NO(?:PERM|AUTH)/, 'Redis refuses writes: its user has no right to write keys of Halfway'],
]

/** Null when Redis accepts a write, else why not. */
export async function tryToWrite(redis: RedisClient): Promise<string | null> {
  try {
    await redis.set(redis.names.writeProbe, '1', 'EX', PROBE_TTL_SECONDS)
    return null
  } catch (error) {
    const { name, message } = error as Error
    if (name !== 'ReplyError') return NO_ANSWER
    const known = REFUSALS.find(([pattern]) => pattern.test(message))
    return known?.[1] ?? `Redis refuses writes (${/^[A-Z]+/.exec(message)?.[0] ?? 'ERR'})`
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
  /** For warnings about services whose bots are silent. */
  catalog?: Pick<Catalog, 'all' | 'isSilent'>
}): { check(): Promise<Readiness> } {
  const knownSince = new Map(queues().map((name) => [name, Number.NEGATIVE_INFINITY]))
  const isEstablished = (name: string): boolean => {
    const since = knownSince.get(name) ?? performance.now()
    knownSince.set(name, since)
    return performance.now() - since >= NEW_QUEUE_MS
  }
  let last: { at: number; answer: Promise<Readiness> } | null = null

  async function look(): Promise<Readiness> {
    const [answers, refusal, missing, share] = await Promise.all([
      redis.ping().then(
        () => true,
        // A Redis that cannot save to its disk refuses even this.
        (error: Error) => error.name === 'ReplyError',
      ),
      tryToWrite(redis),
      queuesWithoutWorker(redis, queues().filter(isEstablished)).catch(() => null),
      memoryShare(redis).catch(() => null),
    ])
    const warnings: Readiness['warnings'] = {}
    if (refusal === null && share !== null && share >= NEARLY_FULL)
      warnings.memory = `Redis is nearly full: ${Math.floor(share * 100)} % of its maxmemory is used`
    const services = catalog && describeServices(catalog)
    if (services) warnings.services = services
    return {
      checks: { redis: answers ? OK : NO_ANSWER, writes: refusal ?? OK, workers: workers(missing, refusal) },
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

function workers(missing: string[] | null, refusal: string | null): string {
  if (missing?.length === 0) return OK
  // Their signs of life are writes, too.
  if (missing === null || refusal !== null) return `cannot be seen: ${refusal ?? NO_ANSWER}`
  return `no worker takes jobs from ${missing.join(', ')}`
}

/** Null when a bot of every service was announced within a minute. */
function describeServices(catalog: Pick<Catalog, 'all' | 'isSilent'>): string | null {
  const slugs = catalog.all().map(({ slug }) => slug)
  if (slugs.length === 0) return 'no bot has announced a service'
  const silent = slugs.filter(catalog.isSilent)
  return silent.length === 0 ? null : `no bot has announced ${silent.join(', ')} for a minute`
}
