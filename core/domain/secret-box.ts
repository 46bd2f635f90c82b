/**
 * Seals what submitters type into fields of type `secret`, so that Redis, its backups and the command line never show it. The
 * key comes from LOCAL_API_TOKEN, which is not in Redis.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/** A sealed value as it stands in `request_data`. */
export interface Sealed {
  /** base64url of nonce, authentication tag and ciphertext. */
  sealed: string
}

export interface SecretBox {
  seal(text: string): Sealed
  /** Null when it was sealed with another key, or changed. */
  open(value: Sealed): string | null
}

const NONCE_BYTES = 12
const TAG_BYTES = 16

export function createSecretBox(token: string): SecretBox {
  const key = Buffer.from(hkdfSync('sha256', token, '', 'halfway secret fields', 32))
  return {
    seal(text) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce)
      const encrypted = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return { sealed: Buffer.concat([nonce, cipher.getAuthTag(), encrypted]).toString('base64url') }
    },
    open({ sealed }) {
      const bytes = Buffer.from(sealed, 'base64url')
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
        decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
        const text = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
        return Buffer.concat([text, decipher.final()]).toString('utf8')
      } catch {
        return null
      }
    },
  }
}
