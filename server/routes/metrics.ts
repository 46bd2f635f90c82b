/** `GET /metrics` on the server's own port, for those who have METRICS_TOKEN. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { RequestHandler } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import type { Metrics } from '../../core/runtime/metrics.ts'
import { sendMetrics } from '../../core/runtime/metrics-listener.ts'

/** Of the same length for any text, so that the comparison takes the same time. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** @returns undefined where there is no token: the address is unknown then */
export function createMetricsRoute(
  metrics: Metrics | undefined,
  token: string | undefined,
): RequestHandler | undefined {
  if (!metrics || token === undefined) return undefined
  const expected = digest(`Bearer ${token}`)
  return async (req, res) => {
    if (!timingSafeEqual(expected, digest(req.get('authorization') ?? ''))) {
      res.set('WWW-Authenticate', 'Bearer')
      throw new AppError('unauthorized', { detail: 'Send Authorization: Bearer with METRICS_TOKEN.' })
    }
    await sendMetrics(metrics, req, res)
  }
}
