/** Describes errors of Redis and of its connection for people. */
import { ACL_LINES, isRefusal } from './rights-watch.ts'

const NO_ANSWER = 'no answer in time'
const NO_CONNECTION = 'no connection'
const REASONS: readonly [RegExp, string][] = [
  [/NOAUTH/, 'it wants a password'],
  [/WRONGPASS/, 'the user or the password is wrong'],
  [/DB index is out of range/, 'it has no such database'],
  [/^MISCONF/, 'it cannot save to its disk'],
  [/No such master|invalid reply: null/, 'the Sentinels know no master of that name'],
  [/ALTNAME_INVALID|does not match certificate's altnames/, 'its certificate is for another host name'],
  [/CERT_HAS_EXPIRED|certificate has expired/, 'its certificate has expired'],
  [/CERT_NOT_YET_VALID|certificate is not yet valid/, 'its certificate is not valid yet'],
  [
    /unable to (?:verify the first|get (?:local )?issuer) certificate|self.signed certificate|certificate signature failure/i,
    'its certificate is signed by no CA that is trusted: name the file of the right one in REDIS_TLS_CA',
  ],
  [
    /alert (?:certificate required|handshake failure)/i,
    'it wants a client certificate: name the files in REDIS_TLS_CERT and REDIS_TLS_KEY',
  ],
  [
    /alert (?:unknown ca|bad certificate|certificate (?:unknown|expired|revoked)|unsupported certificate)/i,
    'it does not accept the client certificate in REDIS_TLS_CERT',
  ],
  [
    /wrong version number|packet length too long|alert protocol version/i,
    'it speaks no TLS at this port: use redis://, or its port for TLS',
  ],
  [/All sentinels are unreachable/, 'no Sentinel answers'],
  [/Protocol error|ParserError|Unknown RESP type/, 'it is no Redis: its answers make no sense'],
  [
    /ECONNRESET|^Connection is closed\.$|aborted due to connection close|Stream isn't writeable/,
    NO_CONNECTION,
  ],
  [/timed ?out|timeout/i, NO_ANSWER],
]

/** The error of a failed command as a sentence. */
export function describeRedisError(error: unknown): string {
  if (error instanceof Error && error.name === 'ReplyError')
    return `Redis refuses a command: ${error.message}${isRefusal(error) ? `; ${ACL_LINES}` : ''}`
  return `Redis does not answer (${describeReason(error)}).`
}

export function describeReason(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  return findReason(error) ?? code ?? (message || 'no answer')
}

function findReason(error: unknown): string | undefined {
  const { code = '', message = '', lastNodeError } = error as Error & { code?: string; lastNodeError?: Error }
  const text = lastNodeError?.message ?? message
  return REASONS.find(([pattern]) => pattern.test(text) || pattern.test(code))?.[1]
}

/** Of several servers, where ioredis reports that none accepts a connection, but not why. */
export const isVague = (error: unknown): boolean =>
  /All sentinels are unreachable|Failed to refresh slots|Connection is closed/.test((error as Error).message)

/**
 * The same for a first connection, where one side may speak TLS and the other may not.
 *
 * @param fault what one of several servers answers
 */
export function describeConnectError(
  error: unknown,
  { tls, fault }: { tls?: object; fault?: Error },
): string {
  const general = describeReason(error)
  // Without a reason of its own, as ECONNREFUSED, it says more than that there is no connection.
  const reason = fault && (findReason(fault) || general === NO_CONNECTION) ? describeReason(fault) : general
  if (tls && reason === NO_ANSWER) return `${reason}, as from a port without TLS`
  if (!tls && reason === NO_CONNECTION) return `${reason}; a port for TLS needs rediss://`
  return reason
}
