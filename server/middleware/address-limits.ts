/** The limits of address-limits.ts for HTTP calls. */
import type { IncomingMessage } from 'node:http'
import type { Request, RequestHandler } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import { limitPerWindow, RETRY_OPEN_SECONDS, type TakeOpen } from '../address-limits.ts'
import { type AddressOf, networkOf } from '../client-address.ts'
import type { Limit } from '../server-metrics.ts'
import { callerOf } from './caller.ts'

type OnLimit = (limit: Limit) => void

/** @param isHeldOpen whether this call stays open */
export const limitStreams =
  (takeStream: TakeOpen, onLimit?: OnLimit) =>
  (isHeldOpen: (req: Request) => boolean): RequestHandler =>
  (req, res, next) => {
    if (!isHeldOpen(req)) return next()
    const release = takeStream(callerOf(res).network)
    if (release === null) {
      onLimit?.('stream')
      throw new AppError('rate_limited', {
        detail: `This address has as many open streams and long polls as one may have; try again in ${RETRY_OPEN_SECONDS} s.`,
        retryAfterSeconds: RETRY_OPEN_SECONDS,
      })
    }
    res.on('close', release)
    next()
  }

/** Counts one read of a status. @throws AppError `rate_limited` */
export type CountRead = (req: IncomingMessage) => void

/** @param limit reads a minute of one address; 0 for any number */
export function limitReads(limit: number, addressOf: AddressOf, onLimit?: OnLimit): CountRead {
  if (limit === 0) return () => {}
  const takeRead = limitPerWindow(limit)
  return (req) => {
    const retryAfterSeconds = takeRead(networkOf(addressOf(req)))
    if (retryAfterSeconds === 0) return
    onLimit?.('status')
    throw new AppError('rate_limited', {
      detail: `At most ${limit} status reads a minute; try again in ${retryAfterSeconds} s.`,
      retryAfterSeconds,
    })
  }
}
