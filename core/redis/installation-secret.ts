/**
 * The secret of an installation: random, stored in Redis, shared by all its processes. It keys digests and signatures, which
 * therefore cannot be forged or guessed without it.
 *
 * Each process holds it in memory and stores it again when it is missing: a Redis that returns empty gets the same secret.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { RedisClient } from './connect.ts'

export interface InstallationSecret {
  /**
   * HMAC-SHA-256 as base64url, 43 characters.
   * @param purpose domain separation: digests of different purposes are unrelated
   */
  digest(purpose: string, text: string): string
  stop(): void
}

const BYTES = 32
const CHECK_EVERY_MS = 30_000

/** Resolves after the first synchronization with Redis; if that fails, a later one adopts the shared secret. */
export async function openInstallationSecret(
  redis: RedisClient,
  { everyMs = CHECK_EVERY_MS }: { everyMs?: number } = {},
): Promise<InstallationSecret> {
  const name = redis.names.secret
  let secret = randomBytes(BYTES).toString('base64url')

  /** The stored secret wins; without one, the own secret is stored. */
  async function synchronize(): Promise<void> {
    const stored = await redis.get(name)
    if (stored === null) await redis.set(name, (await redis.get(redis.names.oldSecret)) ?? secret, 'NX')
    secret = stored ?? (await redis.get(name)) ?? secret
  }
  const synchronizeInBackground = (): void => void synchronize().catch(() => {})

  await synchronize().catch(() => {})
  redis.on('ready', synchronizeInBackground)
  const timer = setInterval(synchronizeInBackground, everyMs).unref()

  return {
    digest: (purpose, text) => createHmac('sha256', secret).update(`${purpose}\n${text}`).digest('base64url'),
    stop() {
      clearInterval(timer)
      redis.off('ready', synchronizeInBackground)
    },
  }
}
