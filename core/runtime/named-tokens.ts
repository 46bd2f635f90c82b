/** Secrets that are sent as `Authorization: Bearer`, and lists of them by the names of their owners. */
import { z } from 'zod'
import { findWeakness } from './token-strength.ts'

export type NamedTokens = Readonly<Record<string, readonly string[]>>

export const token = z
  .string()
  .min(16, 'must have at least 16 characters')
  .regex(/^[\x21-\x7e]*$/, 'must be ASCII characters without spaces and line breaks: it is sent in a header')

/** While one replaces the other. */
const MAX_PER_NAME = 2

/**
 * `name:token` with commas between, by name. A name may have two tokens; the first is the newer one.
 * @param reserved a name that is refused, and why
 */
export const namedTokens = (reserved?: { name: string; why: string }) =>
  z.string().transform((text, context): Record<string, string[]> => {
    const named: Record<string, string[]> = {}
    for (const part of text.split(',').map((one) => one.trim())) {
      const [, name, value = ''] = /^([\w-]{1,64}):(.*)$/.exec(part) ?? []
      const given = name !== undefined && Object.hasOwn(named, name) ? (named[name] ?? []) : []
      const fault =
        name === undefined ? 'must be name:token, with commas between'
        : name === reserved?.name ? reserved.why
        : given.length === MAX_PER_NAME ? `${name} is there more than twice`
        : Object.values(named).flat().includes(value) ? `${name} has a token that is there already`
        : token.safeParse(value).error?.issues[0]?.message // biome-ignore format: a table
      if (fault !== undefined || name === undefined) {
        context.addIssue({ code: 'custom', message: fault ?? '' })
        return z.NEVER
      }
      named[name] = [...given, value]
    }
    return named
  })

/** @param tokens by name; text where they are no valid list */
export function weakTokens(setting: string, tokens: unknown): string[] {
  if (typeof tokens !== 'object' || tokens === null) return []
  return Object.entries(tokens as NamedTokens).flatMap(([name, some]) =>
    some.flatMap((one) => {
      const weakness = findWeakness(one)
      return weakness ? [`${setting}: ${name}: ${weakness}; make one with: openssl rand -base64 32`] : []
    }),
  )
}
