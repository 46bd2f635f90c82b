/**
 * Parses the address of a Redis, for settings, command lines and bots:
 *
 *   redis://[[user]:password@]host[:port][/db][?db=n]    rediss:// with TLS
 *   unix://[[user]:password@]/path/of/the.sock[?db=n]
 *
 * Parts that would be ignored are refused. No error message repeats the address, which may hold a password.
 */
import { StartupError } from './startup-error.ts'

export type RedisAddress = ({ host: string; port: number; tls: boolean } | { path: string }) & {
  username: string | undefined
  password: string | undefined
  /** Undefined, which means database 0, if the address names none. */
  db: number | undefined
}

const DEFAULT_PORT = 6379
const SCHEME = /^(?:rediss?|unix):\/\//i
/** `URL` allows a user only before a host, and a socket has none. */
const BEFORE_SOCKET_PATH = /^(unix:\/\/(?:[^/?#]*@)?)(?=\/)/i
const SOCKET_HOST = 'socket'

/** @throws StartupError naming what is wrong with it */
export function parseRedisAddress(text: string): RedisAddress {
  const address = text.trim()
  if (!SCHEME.test(address))
    throw invalid('must be an address that begins with redis://, rediss:// or unix://')
  const withHost = address.replace(BEFORE_SOCKET_PATH, `$1${SOCKET_HOST}`)
  if (!URL.canParse(withHost))
    throw invalid('is not a valid URL; special characters of a password are percent-encoded, as in %23 for #')
  const url = new URL(withHost)
  if (url.hash) throw invalid('contains a #; in a password it is written as %23')
  const credentials = parseCredentials(url)
  if (url.protocol === 'unix:') {
    if (url.hostname !== SOCKET_HOST) throw invalid('must have three slashes, as in unix:///run/redis.sock')
    if (url.pathname === '/') throw invalid('names no socket; it is written as in unix:///run/redis.sock')
    return { path: decode(url.pathname), ...credentials, db: parseDb([dbParameter(url)]) }
  }
  if (url.hostname === '') throw invalid('names no host')
  if (url.port === '0') throw invalid('has port 0; ports are 1 to 65535')
  return {
    host: decode(url.hostname).replace(/^\[|\]$/g, ''),
    port: Number(url.port || DEFAULT_PORT),
    tls: url.protocol === 'rediss:',
    ...credentials,
    db: parseDb([url.pathname.replace(/^\//, '') || undefined, dbParameter(url)]),
  }
}

/** @returns what is wrong with it, as the end of a sentence; null when it is valid */
export function checkRedisAddress(text: string): string | null {
  try {
    parseRedisAddress(text)
    return null
  } catch (error) {
    if (error instanceof AddressError) return error.fault
    throw error
  }
}

class AddressError extends StartupError {
  readonly fault: string

  constructor(fault: string) {
    super(`The address of Redis ${fault}.`)
    this.fault = fault
  }
}
const invalid = (fault: string): AddressError => new AddressError(fault)

function parseCredentials(url: URL): Pick<RedisAddress, 'username' | 'password'> {
  if (url.username && !url.password)
    throw invalid('has a user but no password; a password alone is written as in redis://:password@host')
  return { username: decode(url.username) || undefined, password: decode(url.password) || undefined }
}

function dbParameter({ searchParams }: URL): string | undefined {
  const unknown = [...searchParams.keys()].find((name) => name !== 'db')
  if (unknown !== undefined) throw invalid('has an unknown parameter; only db is known')
  const all = searchParams.getAll('db')
  if (all.length > 1) throw invalid('names a database more than once')
  return all[0]
}

function parseDb(named: readonly (string | undefined)[]): number | undefined {
  const all = named.filter((db) => db !== undefined)
  if (!all.every((db) => /^\d{1,7}$/.test(db)))
    throw invalid('names a database that is not a number, as in redis://host:6379/1')
  const [db, ...others] = all.map(Number)
  if (others.some((other) => other !== db)) throw invalid('names two databases')
  return db
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalid('has a % that is not followed by two digits; % itself is written as %25')
  }
}
