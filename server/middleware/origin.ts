/**
 * Protects against cross-site requests: a browser's calls from other sites are refused when they change something or open a
 * socket. Programs send no Origin and pass.
 */
import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import type { Config } from '../../core/runtime/config.ts'
import { createTrust, type TrustsProxy } from '../client-address.ts'

export const FOREIGN_ORIGIN = 'This call comes from a page of another site.'

/** Whether the server's own page, a page of an allowed site, or a program sent this. */
export type IsAllowedOrigin = (req: IncomingMessage) => boolean

/**
 * Sec-Fetch-Site decides when present: pages cannot set it. Browsers omit it over plain http, and old ones never send it
 * (Safari before 16.4). Then the Origin must equal the called address, which it does as long as the pages have
 * `Referrer-Policy: same-origin`. Firefox before 70 sends a Referer with a form, but no Origin.
 *
 * @param allowedOrigins in addition to the server's own
 * @param trustProxy the proxies whose X-Forwarded-Host is the called address
 */
export function createOriginCheck({
  allowedOrigins,
  trustProxy,
}: Pick<Config['server'], 'allowedOrigins' | 'trustProxy'>): IsAllowedOrigin {
  const trusts = createTrust(trustProxy)
  return (req) => {
    const { origin, referer, 'sec-fetch-site': site } = req.headers
    if (origin !== undefined && allowedOrigins.includes(origin)) return true
    if (site !== undefined) return site === 'same-origin' || site === 'none'
    // A proxy may leave an empty Origin where it removes one.
    const sender = origin || referer
    if (!sender) return true
    return URL.canParse(sender) && new URL(sender).host === calledHost(req, trusts)
  }
}

export const checkOrigin =
  (isAllowed: IsAllowedOrigin): RequestHandler =>
  (req, _res, next) => {
    if (req.method === 'GET' || req.method === 'HEAD' || isAllowed(req)) return next()
    throw new AppError('origin_not_allowed', { detail: FOREIGN_ORIGIN })
  }

/** The called host, in the form it has in an Origin. */
export function calledHost({ headers, socket }: IncomingMessage, trusts: TrustsProxy): string | undefined {
  const forwarded = trusts(socket.remoteAddress, 0) ? headers['x-forwarded-host'] : undefined
  // Proxies append to the list; a Host is one name.
  const host = forwarded === undefined ? headers.host : String(forwarded).split(',')[0]
  return host?.trim().toLowerCase()
}
