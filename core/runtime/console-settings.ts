/** Who may use the operators' console: those who have a token, or whom a proxy has signed in. */
import { z } from 'zod'
import { findWeakness } from './token-strength.ts'

export type ConsoleAccess =
  | { readonly by: 'token'; readonly token: string }
  /** The header in which a trusted proxy names who is signed in, in lower case. */
  | { readonly by: 'header'; readonly header: string }

export const consoleSettings = {
  ADMIN_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  ADMIN_HEADER: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]*$/, 'must be the name of a header such as X-Forwarded-User')
    .transform((name) => name.toLowerCase())
    .optional(),
}

interface ConsoleEnv {
  ADMIN_TOKEN?: unknown
  ADMIN_HEADER?: unknown
  TRUST_PROXY?: unknown
}

export function consoleConflicts({ ADMIN_TOKEN, ADMIN_HEADER, TRUST_PROXY }: ConsoleEnv): string[] {
  const complaints: string[] = []
  const weakness = typeof ADMIN_TOKEN === 'string' ? findWeakness(ADMIN_TOKEN) : null
  if (weakness) complaints.push(`ADMIN_TOKEN: ${weakness}; make one with: openssl rand -base64 32`)
  if (ADMIN_TOKEN && ADMIN_HEADER) complaints.push('ADMIN_TOKEN, ADMIN_HEADER: set one of them, not both')
  // With a number of proxies every caller who reaches the port counts as a proxy.
  if (ADMIN_HEADER && !Array.isArray(TRUST_PROXY))
    complaints.push('ADMIN_HEADER: needs the addresses of the proxy that sets it in TRUST_PROXY')
  return complaints
}

/** Null where the console is off. */
export const toConsoleAccess = (s: { ADMIN_TOKEN?: string; ADMIN_HEADER?: string }): ConsoleAccess | null =>
  s.ADMIN_TOKEN ? { by: 'token', token: s.ADMIN_TOKEN }
  : s.ADMIN_HEADER ? { by: 'header', header: s.ADMIN_HEADER }
  : null // biome-ignore format: a table
