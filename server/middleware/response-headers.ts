/** The headers of every response. */
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import cors from 'cors'
import type { RequestHandler } from 'express'
import helmet from 'helmet'
import { CALL_ID_HEADER } from './call-id.ts'

/**
 * No inline or foreign content, no framing. `same-origin` hides a request's address, which grants access to it, from other
 * sites, and lets the server's own pages send the Origin or Referer that middleware/origin.ts checks.
 */
const securityHeaders: RequestHandler = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'"],
      fontSrc: ["'self'"],
      connectSrc: ["'self'"],
      workerSrc: ["'self'"],
      manifestSrc: ["'self'"],
      formAction: ["'self'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  referrerPolicy: { policy: 'same-origin' },
  frameguard: { action: 'deny' },
  // HSTS covers a whole domain: the operator sets it at the TLS proxy.
  strictTransportSecurity: false,
})

/**
 * CORS for pages of the allowed sites. They may read and act as programs do, with a request's hash and, under OWNER_CHECK,
 * its owner token, but without the visitor's cookies.
 */
function crossOrigin(origins: readonly string[]): RequestHandler {
  const handle = cors({
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST', 'DELETE'],
    allowedHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'If-None-Match', 'Last-Event-ID'],
    exposedHeaders: ['ETag', 'Idempotency-Replayed', 'Location', 'Retry-After', CALL_ID_HEADER],
    maxAge: 24 * 3600,
  })
  return (req, res, next) => {
    // An OPTIONS call that is no preflight goes to the routes, which refuse the method.
    const isPreflight = req.headers['access-control-request-method'] !== undefined
    if (req.method === 'OPTIONS' && !isPreflight) return next()
    handle(req, res, next)
  }
}

/** What no page here uses, so that an injected script cannot either. */
const DENIED_FEATURES =
  'accelerometer camera display-capture geolocation gyroscope hid magnetometer microphone midi payment serial usb'
const PERMISSIONS_POLICY = DENIED_FEATURES.split(' ')
  .map((feature) => `${feature}=()`)
  .join(', ')

const permissionsPolicy: RequestHandler = (_req, res, next) => {
  res.setHeader('Permissions-Policy', PERMISSIONS_POLICY)
  next()
}

export function responseHeaders(allowedOrigins: readonly string[] = []): RequestHandler[] {
  const always = [securityHeaders, permissionsPolicy]
  return allowedOrigins.length > 0 ? [...always, crossOrigin(allowedOrigins)] : always
}

/** The headers that this middleware sets on every response, as the flat list that `writeHead` takes without checking each. */
export function captureHeaders(...middleware: RequestHandler[]): string[] {
  const req = new IncomingMessage(new Socket())
  const res = new ServerResponse(req)
  for (const set of middleware) set(req as never, res as never, () => {})
  return Object.entries(res.getHeaders()).flatMap(([name, value]) => [name, String(value)])
}
