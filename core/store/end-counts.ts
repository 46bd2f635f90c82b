/** How many requests ended in each minute, by service and status; kept for two hours. For operators: a count may be lost. */
import type { RequestRecord } from '../domain/record.ts'
import type { RedisClient } from '../redis/connect.ts'

const KEPT_SECONDS = 2 * 3600
const MINUTE_MS = 60_000

const ENDS = ['completed', 'failed', 'cancelled'] as const
type End = (typeof ENDS)[number]

type Counts = Record<End, number>

export interface EndsOfMinute {
  /** Its beginning, milliseconds since 1970. */
  at: number
  counts: Readonly<Counts>
  /** The same by service. */
  byService: ReadonlyMap<string, Readonly<Counts>>
}

/** Counts a request whose end was just written. */
export async function countEnd(
  redis: RedisClient,
  { service_slug, status, completed_at }: RequestRecord,
): Promise<void> {
  const key = redis.names.ends(minuteOf(Date.parse(completed_at ?? '')))
  await Promise.all([redis.hincrby(key, `${service_slug} ${status}`, 1), redis.expire(key, KEPT_SECONDS)])
}

/** The last minutes, the oldest first; the present one is the last. */
export async function readEnds(redis: RedisClient, now: number, minutes: number): Promise<EndsOfMinute[]> {
  const last = minuteOf(now)
  const wanted = Array.from({ length: minutes }, (_, i) => last - minutes + 1 + i)
  const stored = await Promise.all(wanted.map((minute) => redis.hgetall(redis.names.ends(minute))))
  return wanted.map((minute, i) => ({ at: minute * MINUTE_MS, ...sumUp(stored[i] ?? {}) }))
}

const minuteOf = (ms: number): number => Math.floor(ms / MINUTE_MS)

function sumUp(fields: Readonly<Record<string, string>>): Omit<EndsOfMinute, 'at'> {
  const none = { completed: 0, failed: 0, cancelled: 0 }
  const counts = { ...none }
  const byService = new Map<string, Counts>()
  for (const [field, count] of Object.entries(fields)) {
    // The name of a service that another program wrote may have spaces.
    const end = ENDS.find((end) => field.endsWith(` ${end}`))
    if (!end) continue
    const slug = field.slice(0, -` ${end}`.length)
    const ofService = byService.get(slug) ?? { ...none }
    ofService[end] += Number(count) || 0
    counts[end] += Number(count) || 0
    byService.set(slug, ofService)
  }
  return { counts, byService }
}
