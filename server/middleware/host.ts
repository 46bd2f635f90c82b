/**
 * Refuses calls to another host than PUBLIC_URL and ALLOWED_HOSTS name. A foreign page whose host name leads to this server
 * (DNS rebinding) is its own origin for browsers, and calls with a foreign Host may fill a cache in front.
 */
import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import type { Config } from '../../core/runtime/config.ts'
import { createTrust } from '../client-address.ts'
import { calledHost } from './origin.ts'

/** @returns the error; null for a call to this server */
export type RefuseHost = (req: IncomingMessage) => AppError | null

const NO_HOST = new AppError('bad_request', { detail: 'The header Host is missing.' })
const WRONG_HOST = new AppError('wrong_host', {
  detail: 'PUBLIC_URL and ALLOWED_HOSTS do not name the called host.',
})

export function createHostCheck({
  publicUrl,
  allowedHosts,
  trustProxy,
}: Pick<Config['server'], 'publicUrl' | 'allowedHosts' | 'trustProxy'>): RefuseHost {
  const trusts = createTrust(trustProxy)
  const takesAll = publicUrl === undefined || allowedHosts.includes('*')
  const known = takesAll ? null : new Set([new URL(publicUrl).host, ...allowedHosts])
  return (req) => {
    if (req.headers.host === undefined && req.httpVersion !== '1.0') return NO_HOST
    if (known === null) return null
    const host = calledHost(req, trusts) ?? ''
    return known.has(host) || known.has(host.replace(/:(80|443)$/, '')) ? null : WRONG_HOST
  }
}

export const checkHost =
  (refuseHost: RefuseHost): RequestHandler =>
  (req, _res, next) =>
    next(refuseHost(req) ?? undefined)
