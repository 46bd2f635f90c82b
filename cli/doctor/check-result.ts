/** What a check of `doctor` has found. */
import { sentence } from '../terminal.ts'

export interface Finding {
  check: string
  /** `warn` works, but not as well as it should. */
  result: 'ok' | 'warn' | 'fail'
  /** What was seen. */
  found: string
  /** What to do about it; null where nothing need be done. */
  todo: string | null
}

export const ok = (check: string, found: string): Finding => ({ check, result: 'ok', found, todo: null })

/** What the user of Redis has no right to see, or this Redis does not tell. */
export const unseen = (check: string, what: string, todo: string): Finding => ({
  check,
  result: 'warn',
  found: `could not see ${what}`,
  todo,
})

const TODOS: readonly [RegExp, string][] = [
  [/NOPERM/, 'Give the user of Redis the right to it (ACL SETUSER).'],
  [
    /WRONGTYPE/,
    'Another program has put a value of another type into a key of Halfway: find it, and remove it.',
  ],
  [/OOM/, 'Raise maxmemory, or lower REQUEST_TTL: a full Redis refuses new requests.'],
  [/READONLY/, 'Name the master in the REDIS_ settings, not a replica.'],
  [/does not answer/, 'Start Redis, or correct the REDIS_ settings.'],
]

/** A check that could not be made is a finding, too. */
export async function tryCheck(check: string, run: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await run()
  } catch (error) {
    const found = `could not be tried: ${sentence(error)}`
    const todo =
      TODOS.find(([pattern]) => pattern.test(found))?.[1] ?? 'Look into the log of Redis and of Halfway.'
    return [{ check, result: 'fail', found, todo }]
  }
}
