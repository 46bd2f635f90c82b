/** Who may submit: anyone, programs with an API key, people whom a proxy has signed in, people with a JWT. */
import { hash } from 'node:crypto'
import { z } from 'zod'
import { type NamedTokens, namedTokens, weakTokens } from './named-tokens.ts'

const WAYS = ['anyone', 'keys', 'header', 'jwt'] as const
type Way = (typeof WAYS)[number]

export interface SubmitterAccess {
  readonly ways: readonly Way[]
  /** SHA-256 digests of the keys of API_KEYS as hex, by name. */
  readonly keyDigests: Readonly<Record<string, readonly string[]>>
  /** More of them, with limits (server/api-keys.ts). */
  readonly keysFile: string | undefined
  /** In which a trusted proxy names who is signed in, in lower case. */
  readonly header: string | undefined
  readonly jwt: { readonly issuer: string; readonly audience: string; readonly keysUrl: string } | null
}

export const submitterSettings = {
  SUBMITTERS: z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((way) => way.trim())
        .filter(Boolean),
    )
    .pipe(z.array(z.enum(WAYS, `must be one or several of ${WAYS.join(', ')}`)).min(1))
    .default(['anyone']),
  API_KEYS: namedTokens().default({}),
  API_KEYS_FILE: z.string().optional(),
  SUBMITTER_HEADER: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]*$/, 'must be the name of a header such as X-Forwarded-User')
    .transform((name) => name.toLowerCase())
    .optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
  JWT_JWKS_URL: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }).optional(),
}

type Given = { [name in keyof typeof submitterSettings | 'TRUST_PROXY' | 'NODE_ENV']?: unknown }

const JWT = ['JWT_ISSUER', 'JWT_AUDIENCE', 'JWT_JWKS_URL'] as const
const SETTINGS_OF: Partial<Record<Way, readonly (keyof Given)[]>> = {
  keys: ['API_KEYS', 'API_KEYS_FILE'],
  header: ['SUBMITTER_HEADER'],
  jwt: JWT,
}

export function submitterConflicts(s: Given): string[] {
  const complaints: string[] = []
  // Text where another setting is invalid.
  const ways = String(s.SUBMITTERS ?? '').split(/\s*,\s*/)
  const isSet = (name: keyof Given): boolean =>
    name === 'API_KEYS' ? Object.keys(s.API_KEYS ?? {}).length > 0 : s[name] !== undefined
  for (const [way, names] of Object.entries(SETTINGS_OF)) {
    if (!ways.includes(way)) {
      for (const name of names.filter(isSet))
        complaints.push(`${name}: has no effect without "${way}" in SUBMITTERS`)
    } else if (way === 'jwt') {
      for (const name of JWT) if (!isSet(name)) complaints.push(`${name}: required with "jwt" in SUBMITTERS`)
    } else if (!names.some(isSet))
      complaints.push(`${names.join(' or ')}: required with "${way}" in SUBMITTERS`)
  }
  // With a number of proxies every caller who reaches the port counts as a proxy.
  if (s.SUBMITTER_HEADER && !Array.isArray(s.TRUST_PROXY))
    complaints.push('SUBMITTER_HEADER: needs the addresses of the proxy that sets it in TRUST_PROXY')
  if (s.NODE_ENV === 'production') {
    complaints.push(...weakTokens('API_KEYS', s.API_KEYS))
    if (typeof s.JWT_JWKS_URL === 'string' && !s.JWT_JWKS_URL.startsWith('https:'))
      complaints.push('JWT_JWKS_URL: must begin with https:// in production')
  }
  return complaints
}

interface Parsed {
  SUBMITTERS: Way[]
  API_KEYS: NamedTokens
  API_KEYS_FILE?: string
  SUBMITTER_HEADER?: string
  JWT_ISSUER?: string
  JWT_AUDIENCE?: string
  JWT_JWKS_URL?: string
}

export const toSubmitterAccess = (s: Parsed): SubmitterAccess => ({
  ways: s.SUBMITTERS,
  keyDigests: Object.fromEntries(
    Object.entries(s.API_KEYS).map(([name, keys]) => [name, keys.map((key) => hash('sha256', key))]),
  ),
  keysFile: s.API_KEYS_FILE,
  header: s.SUBMITTER_HEADER,
  jwt:
    s.JWT_ISSUER && s.JWT_AUDIENCE && s.JWT_JWKS_URL
      ? { issuer: s.JWT_ISSUER, audience: s.JWT_AUDIENCE, keysUrl: s.JWT_JWKS_URL }
      : null,
})
