/** Classifies why a request got no answer, by the errors of undici and of Node's sockets, resolver and TLS. */
import { AddressNotAllowed } from '../../../core/runtime/public-only.ts'

/** A `transient` failure may not occur again a moment later. */
export const FAILURES = {
  private_address: { transient: false },
  port_not_allowed: { transient: false },
  robots_denied: { transient: false },
  not_http: { transient: false },
  invalid_address: { transient: false },
  timed_out: { transient: true },
  dns_failed: { transient: false },
  dns_unavailable: { transient: true },
  connection_refused: { transient: false },
  connection_lost: { transient: true },
  unreachable: { transient: false },
  tls_failed: { transient: false },
  bad_answer: { transient: false },
  bad_redirect: { transient: false },
  redirect_loop: { transient: false },
  too_many_redirects: { transient: false },
  request_failed: { transient: false },
} as const

export type LinkFailure = keyof typeof FAILURES

const BY_CODE: Readonly<Record<string, LinkFailure>> = {
  ENOTFOUND: 'dns_failed',
  ENODATA: 'dns_failed',
  EAI_AGAIN: 'dns_unavailable',
  ESERVFAIL: 'dns_unavailable',
  ECONNREFUSED: 'connection_refused',
  ECONNRESET: 'connection_lost',
  EPIPE: 'connection_lost',
  UND_ERR_SOCKET: 'connection_lost',
  ETIMEDOUT: 'timed_out',
  UND_ERR_CONNECT_TIMEOUT: 'timed_out',
  UND_ERR_HEADERS_TIMEOUT: 'timed_out',
  UND_ERR_BODY_TIMEOUT: 'timed_out',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EPROTO: 'tls_failed',
}

/** @param error of `fetch`; the first known error in its chain of causes counts */
export function classifyFailure(error: unknown): LinkFailure {
  if (error instanceof AddressNotAllowed) return 'private_address'
  if (!(error instanceof Error)) return 'request_failed'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const known = Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : undefined
  if (known) return known
  if (/CERT|SELF_SIGNED|^ERR_(TLS|SSL)/.test(code)) return 'tls_failed'
  if (error.name === 'HTTPParserError' || /^HPE_|^UND_ERR_(HEADERS|RES)/.test(code)) return 'bad_answer'
  return error.cause === undefined ? 'request_failed' : classifyFailure(error.cause)
}
