/** Logs method, path, status and time of each call; never headers, queries or bodies, which hold personal data. */
import type { Response } from 'express'
import { pinoHttp } from 'pino-http'
import { REQUEST_HASH } from '../../core/domain/request-id.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import type { Log } from '../../core/runtime/log.ts'
import { callIdOf } from './call-id.ts'

export function logCalls(log: Log) {
  return pinoHttp({
    logger: log,
    quietReqLogger: true,
    genReqId: (_req, res) => callIdOf(res as Response),
    customLogLevel: (_req, res, error) => (error || res.statusCode >= 500 ? 'warn' : 'debug'),
    serializers: {
      req: ({ id, method, url }: { id: string; method: string; url: string }) => ({
        id,
        method,
        path: url.split('?')[0]?.replace(REQUEST_HASH, shortReference),
      }),
      res: ({ statusCode }: { statusCode: number }) => ({ status: statusCode }),
    },
  })
}
