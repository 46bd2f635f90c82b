/**
 * Seals what submitters type into fields of type `secret`, so that Redis, its backups and the command line never show it. The
 * key comes from LOCAL_API_TOKEN, which is not in Redis.
 */
import { hkdfSync } from 'node:crypto'
import { decrypt, encrypt, KEY_BYTES } from './aes-gcm.ts'

export interface SecretBox {
  /** As it stands in `request_data`: base64url, see `encrypt`. */
  seal(text: string): { sealed: string }
  /** Null when it was sealed with another key, or changed. */
  open(value: { sealed: string }): string | null
}

export function createSecretBox(token: string): SecretBox {
  const key = Buffer.from(hkdfSync('sha256', token, '', 'halfway secret fields', KEY_BYTES))
  return {
    seal: (text) => ({ sealed: encrypt(key, Buffer.from(text)).toString('base64url') }),
    open: ({ sealed }) => decrypt(key, Buffer.from(sealed, 'base64url'))?.toString() ?? null,
  }
}
