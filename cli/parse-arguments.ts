/** Parses the arguments and options of commands. Errors say what is wanted. */
import { InvalidArgumentError } from 'commander'
import { MAX_REASON_CHARACTERS } from '../core/domain/cancel-reason.ts'
import { isRequestHash } from '../core/domain/request-id.ts'
import { parseReferenceBeginning } from '../core/domain/short-reference.ts'

export const parseRequest = (text: string): string => {
  if (!isRequestHash(text) && parseReferenceBeginning(text) === null)
    throw new InvalidArgumentError(
      'A request is named by its short reference of 8 letters and digits, or the first 4 or more of them, or by its hash.',
    )
  return text
}

export const parseRequests = (text: string, before: string[] = []): string[] => [
  ...before,
  parseRequest(text),
]

export const NAMED = 'by short reference, its beginning, or hash'

export const parseReason = (text: string): string => {
  if ([...text].length > MAX_REASON_CHARACTERS)
    throw new InvalidArgumentError(`A reason has at most ${MAX_REASON_CHARACTERS} characters.`)
  return text
}

/** Seconds of `90s`, `10m`, `2h` or `1d`. */
export function parseAge(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (unit === undefined) throw new InvalidArgumentError('It must be a time such as 90s, 10m, 2h or 1d.')
  return Number(count) * { s: 1, m: 60, h: 3600, d: 86_400 }[unit as 's' | 'm' | 'h' | 'd']
}

export const parseUrl = (text: string): string => {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError('It must be http://host:port.')
  return text
}

export function parseData(text: string): Record<string, unknown> {
  try {
    const data: unknown = JSON.parse(text)
    if (typeof data === 'object' && data !== null && !Array.isArray(data)) return { ...data }
  } catch {
    // Refused below.
  }
  throw new InvalidArgumentError('It must be a JSON object.')
}
