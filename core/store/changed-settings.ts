/** Writes to the audit log which settings differ from those that processes of this kind had at their last start. */

import type { RedisClient } from '../redis/connect.ts'
import type { InstallationSecret } from '../redis/installation-secret.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import { ENV_NAMES } from '../runtime/env-schema.ts'
import type { AuditLog } from './audit-log.ts'

/** They differ between processes of one kind. */
const OF_A_PROCESS = new Set(['HOST', 'PORT', 'METRICS_HOST', 'METRICS_PORT'])
const DIGEST_LENGTH = 16
/** A field of its own: settings may all have their defaults. */
const STARTED = 'started'

/** Redis has a keyed digest of each value, from which none can be guessed. Never rejects: a process starts without Redis, too. */
export async function auditChangedSettings(
  {
    redis,
    secret,
    audit,
  }: { redis: RedisClient; secret: Pick<InstallationSecret, 'digest'>; audit: AuditLog },
  process: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const key = redis.names.settings(process)
  const latest: Record<string, string> = { [STARTED]: 'before' }
  for (const name of ENV_NAMES)
    if (env[name] && !OF_A_PROCESS.has(name))
      latest[name] = secret.digest(`setting ${name}`, env[name]).slice(0, DIGEST_LENGTH)
  async function replace(): Promise<string[]> {
    const before = await redis.hgetall(key)
    const names = [...new Set([...Object.keys(before), ...Object.keys(latest)])].sort()
    const changed = names.filter((name) => before[name] !== latest[name])
    if (changed.length === 0) return []
    await redis.multi().del(key).hset(key, latest).exec()
    return before[STARTED] === undefined ? [] : changed
  }
  const changed = await retryWithoutWrongTypes(redis, { [key]: 'hash' }, replace).catch(() => [])
  if (changed.length > 0) await audit.add({ action: 'settings', outcome: 'done', settings: changed })
}
