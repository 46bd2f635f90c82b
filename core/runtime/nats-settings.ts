/** Where NATS is, for servers that receive updates from it and bridges that carry them to it. */
import { isIP } from 'node:net'
import querystring from 'node:querystring'
import { z } from 'zod'
import { commaList } from './setting-forms.ts'

export interface NatsConfig {
  /** `host:port` of each. */
  readonly servers: readonly string[]
  readonly tls: boolean
  readonly user: string | undefined
  readonly pass: string | undefined
  readonly token: string | undefined
  /** The path of a `.creds` file. */
  readonly credsFile: string | undefined
}

const DEFAULT_PORT = '4222'
const FORM =
  'must be addresses such as nats://host:4222 or tls://user:password@host:4222, with commas between'
/** The client would compare the certificate with the name localhost. */
const UNNAMED = 'must have host names, not IP addresses, with tls://'
const isAddress = (hostname: string): boolean => isIP(hostname.replace(/[[\]]/g, '')) > 0
const DIFFERENT = 'has servers that differ in TLS, user or password: one connection may go to any of them'

const natsServers = commaList
  .refine(
    (all) =>
      all.length > 0 && all.every((one) => /^(?:nats|tls):\/\/[^/?#]+$/.test(one) && URL.canParse(one)),
    { error: FORM, abort: true },
  )
  .transform((all) => all.map((one) => new URL(one)))
  .refine(
    (all) => new Set(all.map((url) => `${url.protocol}${url.username}:${url.password}`)).size === 1,
    DIFFERENT,
  )
  .refine(
    (all) => all.every(({ protocol, hostname }) => protocol === 'nats:' || !isAddress(hostname)),
    UNNAMED,
  )

export const natsSettings = {
  NATS_URL: natsServers.optional(),
  NATS_CREDS: z.string().optional(),
}

type NatsEnv = z.infer<z.ZodObject<typeof natsSettings>>

export function toNatsConfig({ NATS_URL: urls, NATS_CREDS: credsFile }: NatsEnv): NatsConfig | null {
  const [first] = urls ?? []
  if (!urls || !first) return null
  const [name, pass] = [first.username, first.password].map((part) => querystring.unescape(part) || undefined)
  return {
    servers: urls.map(({ hostname, port }) => `${hostname}:${port || DEFAULT_PORT}`),
    tls: first.protocol === 'tls:',
    ...(pass ? { user: name, pass, token: undefined } : { user: undefined, pass, token: name }),
    credsFile,
  }
}

export function natsConflicts(s: { [name in keyof NatsEnv | 'REDIS_CLUSTER_CHANNELS']?: unknown }): string[] {
  const complaints: string[] = []
  if (s.NATS_CREDS && !s.NATS_URL) complaints.push('NATS_CREDS: has no effect without NATS_URL')
  if (s.NATS_CREDS && Array.isArray(s.NATS_URL) && s.NATS_URL.some(({ username }: URL) => username))
    complaints.push('NATS_CREDS: has no effect beside NATS_URL with a user; name one of them')
  if (s.NATS_URL && s.REDIS_CLUSTER_CHANNELS === 'sharded')
    complaints.push(
      'NATS_URL: needs REDIS_CLUSTER_CHANNELS=plain or both, because a bridge subscribes to plain channels by a pattern',
    )
  return complaints
}
