/** The results of `doctor`'s checks. */
import { describeError } from '../terminal.ts'

export interface Finding {
  check: string
  /** `warn`: works, but should be improved. */
  result: 'ok' | 'warn' | 'fail'
  /** The observation. */
  found: string
  /** What to do about it; null when nothing needs to be done. */
  todo: string | null
}

export const ok = (check: string, found: string): Finding => ({ check, result: 'ok', found, todo: null })

/** For what the user of Redis may not read, or this Redis does not report. */
export const notVisible = (check: string, what: string, todo: string): Finding => ({
  check,
  result: 'warn',
  found: `could not see ${what}`,
  todo,
})

const REMEDIES: readonly [RegExp, string][] = [
  [/NOPERM/, 'Grant the user of Redis this right (ACL SETUSER).'],
  [
    /WRONGTYPE/,
    'Another program has stored a value of another type in a key of Halfway: find the key, and delete it.',
  ],
  [/OOM/, 'Raise maxmemory, or lower REQUEST_TTL: a full Redis refuses new requests.'],
  [/READONLY/, 'Name the master in the REDIS_ settings, not a replica.'],
  [/^check failed: NATS/, 'Start NATS, or correct NATS_URL.'],
  [/does not answer/, 'Start Redis, or correct the REDIS_ settings.'],
]

/** Runs a check; an error becomes a finding. */
export async function tryCheck(check: string, run: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await run()
  } catch (error) {
    const found = `check failed: ${describeError(error)}`
    const todo =
      REMEDIES.find(([pattern]) => pattern.test(found))?.[1] ?? 'See the logs of Redis and Halfway.'
    return [{ check, result: 'fail', found, todo }]
  }
}
