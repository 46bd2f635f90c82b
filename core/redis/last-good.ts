/**
 * The records that this process has read or written last, as many as fit: what to go by when another program has left
 * nonsense in a record's place, or something older has come back.
 */
import { type RequestRecord, unsealRecord } from '../record.ts'

export interface LastGood {
  keep(raw: string, record: RequestRecord): void
  /** Whether what was kept is newer than this, or another write of the same version. */
  isAhead(raw: string, record: RequestRecord): boolean
  get(hash: string): RequestRecord | null
  /** The request is gone; nothing of it must come back. */
  forget(hash: string): void
}

/** In all; a record has some 1,200, one with a great result 300,000. */
const MOST_CHARACTERS = 4_000_000

export function createLastGood(mostCharacters = MOST_CHARACTERS): LastGood {
  /** Kept as text, a third of the parsed record; the oldest first. */
  const kept = new Map<string, { raw: string; version: number }>()
  let characters = 0

  const forget = (hash: string): void => {
    characters -= kept.get(hash)?.raw.length ?? 0
    kept.delete(hash)
  }

  return {
    forget,
    keep(raw, { hash, version }) {
      forget(hash)
      if (raw.length > mostCharacters) return
      kept.set(hash, { raw, version })
      characters += raw.length
      for (const oldest of kept.keys()) {
        if (characters <= mostCharacters) return
        forget(oldest)
      }
    },
    isAhead(raw, { hash, version }) {
      const last = kept.get(hash)
      if (!last) return false
      return last.version > version || (last.version === version && last.raw !== raw)
    },
    get(hash) {
      const last = kept.get(hash)
      return last ? unsealRecord(last.raw) : null
    },
  }
}
