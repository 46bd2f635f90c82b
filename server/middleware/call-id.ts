/** Gives each call an id: in its answer, in a problem, in the log. A proxy that gives one is followed through both logs. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { RequestHandler, Response } from 'express'

export const CALL_ID_HEADER = 'X-Request-Id'
const FORM = /^[\w.:+/=-]{1,100}$/

/** The id that came with the call, else a new one. */
export function createCallId({ headers }: IncomingMessage): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && FORM.test(given) ? given : randomUUID()
}

export const identifyCall: RequestHandler = (req, res, next) => {
  res.set(CALL_ID_HEADER, createCallId(req))
  next()
}

export const callIdOf = (res: Response): string => String(res.getHeader(CALL_ID_HEADER))
