/**
 * Other sites must not act in a visitor's name: what a browser sends from elsewhere is refused, for calls that change
 * something and for sockets. Programs send no Origin and are welcome.
 */
import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { AppError } from '../../core/errors.ts'

/**
 * A browser's own word, Sec-Fetch-Site, comes first: it cannot be forged by a page, and under `Referrer-Policy:
 * no-referrer`, which our pages have, a form's Origin is only "null".
 *
 * @param allowedOrigins besides the server's own
 */
export function isAllowedOrigin(req: IncomingMessage, allowedOrigins: readonly string[]): boolean {
  const { origin, host, 'sec-fetch-site': site } = req.headers
  if (origin !== undefined && allowedOrigins.includes(origin)) return true
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  if (origin === undefined) return true
  return URL.canParse(origin) && new URL(origin).host === host
}

export function checkOrigin(allowedOrigins: readonly string[]): RequestHandler {
  return (req, _res, next) => {
    if (req.method === 'GET' || req.method === 'HEAD' || isAllowedOrigin(req, allowedOrigins)) return next()
    throw new AppError('origin_not_allowed', { detail: 'This call came from a page of another site.' })
  }
}
