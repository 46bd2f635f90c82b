/** Classifies why a request got no answer, by the errors of undici and of Node's sockets, resolver and TLS. */
import { AddressNotAllowed } from './public-only.ts'

/** `reason` is the text in the report. A `transient` failure may not occur again a moment later. */
export const FAILURES = {
  private_address: { reason: 'not checked: private address', transient: false },
  not_http: { reason: 'not checked: leads to something else than a web page', transient: false },
  invalid_address: { reason: 'this is not a valid address', transient: false },
  timed_out: { reason: 'no answer in time', transient: true },
  dns_failed: { reason: 'there is no such server name', transient: false },
  dns_unavailable: { reason: 'the server name could not be looked up', transient: true },
  connection_refused: { reason: 'the server refused the connection', transient: false },
  connection_lost: { reason: 'the server closed the connection', transient: true },
  unreachable: { reason: 'there is no way to this server', transient: false },
  tls_failed: { reason: 'the server has no valid certificate', transient: false },
  bad_answer: { reason: 'the server did not answer in proper HTTP', transient: false },
  bad_redirect: { reason: 'redirects to no valid address', transient: false },
  redirect_loop: { reason: 'redirects in a circle', transient: false },
  too_many_redirects: { reason: 'redirects too many times', transient: false },
  request_failed: { reason: 'the request failed', transient: false },
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
