/**
 * Seals what people typed, were sent and got before it reaches Redis: with DATA_KEY it cannot be read in Redis, its files,
 * its replicas or MONITOR. Every connection to Redis carries the box of its installation (`redis.box`).
 */
import { decrypt, encrypt, KEY_BYTES } from './aes-gcm.ts'

export interface DataBox {
  /** False without DATA_KEY: then nothing that is sealed opens. */
  readonly opens: boolean
  /** Where false, values are stored as they are. */
  readonly seals: boolean
  /** @param context where the value is stored; it does not open anywhere else */
  seal(context: string, text: string): string
  /** A text that is not sealed as it is. Null for one that none of the keys opens. */
  open(context: string, text: string): string | null
  sealBytes(context: string, bytes: Buffer): Buffer
  openBytes(context: string, bytes: Buffer): Buffer | null
}

/** In the first place of the keys: nothing is sealed, and what the others have sealed opens. */
export const NO_KEY = Buffer.alloc(0)
export const sealsData = ([newest = NO_KEY]: readonly Buffer[]): boolean => newest.length > 0

/** What every sealed value begins with. */
const MARK = 'hw1.'
const MARK_BYTES = Buffer.from(MARK)

export const isSealedText = (text: string): boolean => text.startsWith(MARK)

/** @param keys the first seals, where it is not empty, and each may open */
export function createDataBox(keys: readonly Buffer[]): DataBox {
  const [newest] = keys
  if (!newest) return PLAIN
  const seals = sealsData(keys)
  if (keys.slice(seals ? 0 : 1).some(({ length }) => length !== KEY_BYTES))
    throw new RangeError(`a key has ${KEY_BYTES} bytes`)

  function openWithAny(context: string, bytes: Buffer): Buffer | null {
    for (const key of keys.slice(seals ? 0 : 1)) {
      const opened = decrypt(key, bytes, context)
      if (opened) return opened
    }
    return null
  }

  return {
    opens: true,
    seals,
    seal: (context, text) =>
      seals ? MARK + encrypt(newest, Buffer.from(text), context).toString('base64url') : text,
    open: (context, text) =>
      isSealedText(text)
        ? (openWithAny(context, Buffer.from(text.slice(MARK.length), 'base64url'))?.toString() ?? null)
        : text,
    sealBytes: (context, bytes) =>
      seals ? Buffer.concat([MARK_BYTES, encrypt(newest, bytes, context)]) : bytes,
    openBytes: (context, bytes) =>
      bytes.subarray(0, MARK.length).equals(MARK_BYTES)
        ? openWithAny(context, bytes.subarray(MARK.length))
        : bytes,
  }
}

const PLAIN: DataBox = {
  opens: false,
  seals: false,
  seal: (_context, text) => text,
  open: (_context, text) => text,
  sealBytes: (_context, bytes) => bytes,
  openBytes: (_context, bytes) => bytes,
}
