/**
 * Why a form was refused, and its values, stored for the page that the browser is redirected to, so that "Back" and reload
 * never submit the form again. Never contains a one-time code. Each sender has a fixed number of slots, and the oldest is
 * overwritten, so that no sender fills Redis.
 */
import { nanoid } from 'nanoid'
import type { ErrorCode, FieldError } from '../domain/errors.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { InstallationSecret } from '../redis/installation-secret.ts'
import { withStorageErrors } from './storage-errors.ts'

export interface Refusal {
  code: ErrorCode
  errors?: FieldError[]
  /** When a retry is allowed, milliseconds since 1970. */
  retryAt?: number
  /** The form's hidden key. */
  key?: string | null
  /** As typed, by field, without secrets. */
  values?: Record<string, string | string[]>
  /** For the form of a code: its prompt, and the typed text with every digit replaced by 0. */
  prompt?: { id: string; typed: string }
  /** Only the session that sent the form may see this; null for a browser without cookies. */
  sessionId: string | null
}

export interface Refusals {
  /**
   * @param sender the address whose slots are used
   * @returns an unguessable id; null when the refusal is too large or Redis accepts no writes
   */
  keep(sender: string, refusal: Refusal): Promise<string | null>
  /** @throws AppError `storage_unavailable` */
  find(id: string): Promise<Refusal | null>
}

const MAX_BYTES = 8 * 1024
const SLOTS_PER_SENDER = 16
const SENDER_LENGTH = 12
const SECRET_LENGTH = 21
const ID = new RegExp(`^[\\w-]{${SENDER_LENGTH}}[0-9a-f][\\w-]{${SECRET_LENGTH}}$`)

export function createRefusals({
  redis,
  secret: { digest },
  ttlSeconds,
}: {
  redis: RedisClient
  secret: Pick<InstallationSecret, 'digest'>
  ttlSeconds: number
}): Refusals {
  let count = 0
  return {
    async keep(sender, refusal) {
      const secret = nanoid(SECRET_LENGTH)
      const value = JSON.stringify({ ...refusal, secret })
      if (Buffer.byteLength(value) > MAX_BYTES) return null
      const from = digest('refusal', sender).slice(0, SENDER_LENGTH)
      const slot = from + (count++ % SLOTS_PER_SENDER).toString(16)
      try {
        const key = redis.names.refusal(slot)
        await redis.set(key, redis.box.seal(key, value), 'EX', ttlSeconds)
        return slot + secret
      } catch {
        return null
      }
    },
    async find(id) {
      if (!ID.test(id)) return null
      const name = redis.names.refusal(id.slice(0, -SECRET_LENGTH))
      const value = await withStorageErrors(() => redis.get(name))
      const json = value === null ? null : redis.box.open(name, value)
      const { secret, ...refusal } = JSON.parse(json ?? '{}') as Refusal & { secret?: string }
      return secret === id.slice(-SECRET_LENGTH) ? refusal : null
    },
  }
}
