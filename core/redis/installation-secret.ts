/**
 * The secret of an installation: random, kept in Redis, the same for all its processes. Keys digests and signatures, so
 * that none of them can be made, or guessed, by somebody who does not know it.
 *
 * Each process remembers it and stores it again where it is missing: a Redis that comes back empty gets the same secret.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { RedisClient } from './connect.ts'

export interface InstallationSecret {
  /**
   * HMAC-SHA-256 as base64url, 43 characters.
   * @param purpose what the digest is for: digests of different purposes have nothing in common
   */
  digest(purpose: string, text: string): string
  stop(): void
}

const BYTES = 32
const CHECK_EVERY_MS = 30_000

/** Resolves after the first exchange with Redis; where that fails, a later one agrees on the secret. */
export async function openInstallationSecret(
  redis: RedisClient,
  { everyMs = CHECK_EVERY_MS }: { everyMs?: number } = {},
): Promise<InstallationSecret> {
  const name = redis.names.secret
  let secret = randomBytes(BYTES).toString('base64url')

  /** The stored secret wins; without one, ours is stored. */
  async function synchronize(): Promise<void> {
    const stored = await redis.get(name)
    if (stored === null) await redis.set(name, (await redis.get(redis.names.oldSecret)) ?? secret, 'NX')
    secret = stored ?? (await redis.get(name)) ?? secret
  }
  const synchronizeLater = (): void => void synchronize().catch(() => {})

  await synchronize().catch(() => {})
  redis.on('ready', synchronizeLater)
  const timer = setInterval(synchronizeLater, everyMs).unref()

  return {
    digest: (purpose, text) => createHmac('sha256', secret).update(`${purpose}\n${text}`).digest('base64url'),
    stop() {
      clearInterval(timer)
      redis.off('ready', synchronizeLater)
    },
  }
}
