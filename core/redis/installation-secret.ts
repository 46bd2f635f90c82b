/**
 * The secret of an installation: random, stored in Redis, shared by all its processes. It keys digests and signatures, which
 * therefore cannot be forged or guessed without it.
 *
 * Each process holds it in memory and stores it again when it is missing: a Redis that returns empty gets the same secret.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { isSealedText } from '../runtime/data-box.ts'
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
  const { box } = redis
  const name = redis.names.secret
  let secret = randomBytes(BYTES).toString('base64url')

  /** A process without DATA_KEY, which is being replaced, keeps what it has. */
  const opened = (stored: string | null): string => {
    const text = stored === null ? null : box.open(name, stored)
    return text === null || isSealedText(text) ? secret : text
  }

  /** The stored secret wins; without one, the own secret is stored. */
  async function synchronize(): Promise<void> {
    const stored = await redis.get(name)
    if (stored === null) {
      secret = (await redis.get(redis.names.oldSecret)) ?? secret
      if (!(await redis.set(name, box.seal(name, secret), 'NX'))) secret = opened(await redis.get(name))
      return
    }
    secret = opened(stored)
    const isSealed = isSealedText(stored)
    // While a key is given up, processes without it need the secret.
    if (box.opens && isSealed !== box.seals && box.open(name, stored) !== null)
      await redis.set(name, box.seal(name, secret), 'XX')
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
