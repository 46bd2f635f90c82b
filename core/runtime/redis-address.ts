/**
 * The address of a Redis, read in one place for settings, command lines and bots:
 *
 *   redis://[[user]:password@]host[:port][/db][?db=n]    rediss:// with TLS
 *   unix://[[user]:password@]/path/of/the.sock[?db=n]
 *
 * Whatever would be ignored is refused instead. No message repeats the address, which may hold a password.
 */
import { StartupError } from './startup-error.ts'

export type RedisAddress = ({ host: string; port: number; tls: boolean } | { path: string }) & {
  username: string | undefined
  password: string | undefined
  /** Undefined where the address names none; that is database 0. */
  db: number | undefined
}

const DEFAULT_PORT = 6379
const SCHEME = /^(?:rediss?|unix):\/\//i
/** URL allows a user only before a host, and a socket has none. */
const BEFORE_SOCKET_PATH = /^(unix:\/\/(?:[^/?#]*@)?)(?=\/)/i
const SOCKET_HOST = 'socket'

/** @throws StartupError that says what is wrong with it */
export function parseRedisAddress(text: string): RedisAddress {
  const address = text.trim()
  if (!SCHEME.test(address)) throw wrong('must be an address that begins with redis://, rediss:// or unix://')
  const complete = address.replace(BEFORE_SOCKET_PATH, `$1${SOCKET_HOST}`)
  if (!URL.canParse(complete))
    throw wrong('is no valid address; special characters of a password are written as %23 and the like')
  const url = new URL(complete)
  if (url.hash) throw wrong('has a # in it, which ends an address; in a password it is written as %23')
  const access = accessOf(url)
  if (url.protocol === 'unix:') {
    if (url.hostname !== SOCKET_HOST) throw wrong('must have three slashes, as in unix:///run/redis.sock')
    if (url.pathname === '/') throw wrong('names no socket; it is written as in unix:///run/redis.sock')
    return { path: decode(url.pathname), ...access, db: oneDb([dbOf(url)]) }
  }
  if (url.hostname === '') throw wrong('names no host')
  if (url.port === '0') throw wrong('has port 0; ports are 1 to 65535')
  return {
    host: decode(url.hostname).replace(/^\[|\]$/g, ''),
    port: Number(url.port || DEFAULT_PORT),
    tls: url.protocol === 'rediss:',
    ...access,
    db: oneDb([url.pathname.replace(/^\//, '') || undefined, dbOf(url)]),
  }
}

/** What is wrong with it, as the end of a sentence; null for nothing. */
export function faultOfRedisAddress(text: string): string | null {
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
const wrong = (fault: string): AddressError => new AddressError(fault)

function accessOf(url: URL): Pick<RedisAddress, 'username' | 'password'> {
  if (url.username && !url.password)
    throw wrong('has a user and no password; a password alone is written as in redis://:password@host')
  return { username: decode(url.username) || undefined, password: decode(url.password) || undefined }
}

function dbOf({ searchParams }: URL): string | undefined {
  const unknown = [...searchParams.keys()].find((name) => name !== 'db')
  if (unknown !== undefined) throw wrong('has a parameter that nobody knows; db is the only one there is')
  const all = searchParams.getAll('db')
  if (all.length > 1) throw wrong('names a database more than once')
  return all[0]
}

function oneDb(named: readonly (string | undefined)[]): number | undefined {
  const all = named.filter((db) => db !== undefined)
  if (!all.every((db) => /^\d{1,7}$/.test(db)))
    throw wrong('names a database that is no number, as in redis://host:6379/1')
  const [db, ...others] = all.map(Number)
  if (others.some((other) => other !== db)) throw wrong('names two databases')
  return db
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw wrong('has a % that is not followed by two digits; % itself is written as %25')
  }
}
