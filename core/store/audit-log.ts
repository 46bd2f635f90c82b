/**
 * The audit log: who was refused, which limits were reached, what operators did. It names requests by short references, and
 * addresses and people by keyed digests. Each entry is a line of the log, and the newest 1,000 are in Redis for seven days.
 */
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import type { Log } from '../runtime/log.ts'
import { parseObject } from './parse-object.ts'

export const AUDIT_ACTIONS = [
  'sign_in', 'sign_out', 'cancel', 'send_again', 'hold', 'resume', 'limit', 'close', 'open',
  // A call or a socket; a code that was typed; a process that started with other settings.
  'call', 'socket', 'code', 'settings',
] as const // biome-ignore format: a list

export interface AuditEntry {
  action: (typeof AUDIT_ACTIONS)[number]
  outcome: 'done' | 'refused'
  /** The operator: `token`, the name that the proxy gave, or `cli:` and the user of the machine. Null: not signed in. */
  who?: string | null
  /** Why it was refused, as a code. */
  reason?: string
  /** The network of a caller, as a keyed digest. */
  from?: string
  /** The person whose phone receives the codes, as a keyed digest. */
  subject?: string
  /** A short reference. */
  request?: string
  queue?: string
  service?: string
  /** How many more of the same were refused in the minute that followed. */
  more?: number
  /** The names of settings that have changed. */
  settings?: string[]
}

export type StoredAuditEntry = AuditEntry & {
  /** Its place in the stream. */
  id: string
  at: string
  /** The process that wrote it. */
  process: string
}

export interface AuditLog {
  /** Never rejects: an entry that Redis does not take is in the log. */
  add(entry: AuditEntry): Promise<void>
}

export const MAX_AUDIT_ENTRIES = 1_000
const TTL_SECONDS = 7 * 24 * 3600

export function createAuditLog({
  redis,
  log,
  process,
  now = Date.now,
}: {
  redis: RedisClient
  /** A logger of its own, whose name is `audit`. */
  log: Log
  process: string
  now?: () => number
}): AuditLog {
  const { audit } = redis.names
  return {
    async add(entry) {
      log.info({ process, ...entry }, 'audit')
      const stored = JSON.stringify({ at: new Date(now()).toISOString(), process, ...entry })
      const add = async (): Promise<unknown> => {
        await redis.xadd(audit, 'MAXLEN', MAX_AUDIT_ENTRIES, '*', 'entry', stored)
        return redis.expire(audit, TTL_SECONDS)
      }
      await retryWithoutWrongTypes(redis, { [audit]: 'stream' }, add).catch((error: unknown) =>
        log.debug({ err: error }, 'an audit entry was not stored'),
      )
    },
  }
}

/**
 * The newest last.
 *
 * @param options.after the id of an entry: only those that followed it
 * @throws the error of Redis
 */
export async function readAuditLog(
  redis: RedisClient,
  { now, limit = MAX_AUDIT_ENTRIES, after }: { now: number; limit?: number; after?: string | undefined },
): Promise<StoredAuditEntry[]> {
  const { audit } = redis.names
  const from = after === undefined ? String(Math.floor(now) - TTL_SECONDS * 1000) : `(${after}`
  const found = await retryWithoutWrongTypes(redis, { [audit]: 'stream' }, () =>
    redis.xrevrange(audit, '+', from, 'COUNT', limit),
  )
  return found.reverse().flatMap(([id, [, stored]]) => {
    const entry = parseObject<StoredAuditEntry>(stored)
    return isEntry(entry) ? [{ ...entry, id }] : []
  })
}

const isEntry = (given: Partial<StoredAuditEntry> | null): given is StoredAuditEntry =>
  AUDIT_ACTIONS.some((known) => known === given?.action) && Number.isFinite(Date.parse(given?.at ?? ''))
