/**
 * Other sites must not act in a visitor's name: what a browser sends from elsewhere is refused, for calls that change
 * something and for sockets. Programs send no Origin and are welcome.
 */
import type { IncomingMessage } from 'node:http'
import express, { type RequestHandler } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import type { Config } from '../../core/runtime/config.ts'

/** Whether a page of ours, of an allowed site, or a program sent this. */
export type IsAllowedOrigin = (req: IncomingMessage) => boolean

/**
 * Sec-Fetch-Site decides where it is sent: no page can set it. Browsers leave it out over plain http, and some have
 * never sent it (Safari before 16.4). There the Origin must be the address that was called; it is, as long as our pages
 * have `Referrer-Policy: same-origin`. Firefox before 70 sends no Origin with a form, but a Referer.
 *
 * @param allowedOrigins besides the server's own
 * @param trustProxy whose X-Forwarded-Host is the address that was called
 */
export function createOriginCheck({
  allowedOrigins,
  trustProxy,
}: Pick<Config['server'], 'allowedOrigins' | 'trustProxy'>): IsAllowedOrigin {
  const trusts = express().set('trust proxy', trustProxy).get('trust proxy fn') as TrustsProxy
  return (req) => {
    const { origin, referer, 'sec-fetch-site': site } = req.headers
    if (origin !== undefined && allowedOrigins.includes(origin)) return true
    if (site !== undefined) return site === 'same-origin' || site === 'none'
    const sender = origin ?? referer
    if (!sender) return true
    return URL.canParse(sender) && new URL(sender).host === calledHost(req, trusts)
  }
}

export const checkOrigin =
  (isAllowed: IsAllowedOrigin): RequestHandler =>
  (req, _res, next) => {
    if (req.method === 'GET' || req.method === 'HEAD' || isAllowed(req)) return next()
    throw new AppError('origin_not_allowed', { detail: 'This call came from a page of another site.' })
  }

type TrustsProxy = (address: string | undefined, hop: number) => boolean

/** As browsers write it in an Origin. */
function calledHost({ headers, socket }: IncomingMessage, trusts: TrustsProxy): string | undefined {
  const forwarded = trusts(socket.remoteAddress, 0) ? headers['x-forwarded-host'] : undefined
  const [host] = String(forwarded ?? headers.host).split(',')
  return host?.trim().toLowerCase()
}
