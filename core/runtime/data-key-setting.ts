/** DATA_KEY: the keys of data-box.ts. */
import { z } from 'zod'
import { KEY_BYTES } from './aes-gcm.ts'
import { NO_KEY } from './data-box.ts'

const FORM =
  'must be 32 bytes as base64, several with commas between, the first may be none; make one with: openssl rand -base64 32'
const BASE64_KEY = /^[A-Za-z0-9+/]{43}=$|^[A-Za-z0-9_-]{43}=?$/

const key = z
  .string()
  .regex(BASE64_KEY, FORM)
  .transform((text) => Buffer.from(text, 'base64'))
  // 32 equal bytes come from a placeholder.
  .refine((bytes) => bytes.length === KEY_BYTES && new Set(bytes).size > KEY_BYTES / 4, FORM)

/** Bytes that count up: the example of `.env.example`. */
export const isExampleKey = (key: Buffer): boolean => key.every((byte, i) => byte === i)

/** Comma-separated, the newest first; `none,key` while a key is introduced or given up. */
export const dataKeys = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .pipe(z.tuple([z.union([z.literal('none').transform(() => NO_KEY), key], FORM)], key))
  .refine((keys) => keys[0].length > 0 || keys.length > 1, FORM)
