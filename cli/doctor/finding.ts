/** What a check of `doctor` has found. */

export interface Finding {
  check: string
  /** `warn` works, but not as well as it should. */
  result: 'ok' | 'warn' | 'fail'
  /** What was seen. */
  found: string
  /** What to do about it; null where nothing need be done. */
  todo: string | null
}

export const fine = (check: string, found: string): Finding => ({ check, result: 'ok', found, todo: null })
