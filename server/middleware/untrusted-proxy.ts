/**
 * Warns when a proxy that TRUST_PROXY does not name sends X-Forwarded-For: all users behind it then share one address, and
 * so one rate limit. Logged once; stored for the doctor command at most once a minute.
 */
import type { RequestHandler } from 'express'
import type { RedisClient } from '../../core/redis/connect.ts'
import type { Log } from '../../core/runtime/log.ts'
import { recordUntrustedProxy } from '../../core/store/untrusted-proxy.ts'

const RECORD_INTERVAL_MS = 60_000

export function warnOfUntrustedProxy({ redis, log }: { redis: RedisClient; log: Log }): RequestHandler {
  let recordedAt: number | null = null
  return (req, _res, next) => {
    const trusts = req.app.get('trust proxy fn') as (address: string | undefined, hop: number) => boolean
    if (req.headers['x-forwarded-for'] === undefined || trusts(req.socket.remoteAddress, 0)) return next()
    if (recordedAt === null)
      log.warn(
        'requests carry X-Forwarded-For from a proxy that TRUST_PROXY does not trust: all users behind it count as one address',
      )
    if (recordedAt === null || performance.now() - recordedAt > RECORD_INTERVAL_MS) {
      recordedAt = performance.now()
      recordUntrustedProxy(redis).catch(() => {})
    }
    next()
  }
}
