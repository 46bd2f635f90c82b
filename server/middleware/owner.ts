/** Lets only those pass who may: in front of every call and page of one request. */
import type { Request, RequestHandler, Response } from 'express'
import { type Credentials, type Ownership, type Permission, readToken } from '../ownership.ts'
import { callerOf } from './caller.ts'

const BEARER = /^Bearer +(\S+) *$/i

export const requireOwner =
  (ownership: Ownership, need: Permission): RequestHandler =>
  async (req, res, next) => {
    await ownership.check(String(req.params.hash), credentialsOf(req, res), need)
    next()
  }

export const credentialsOf = (req: Request, res: Response): Credentials => ({
  sessionId: callerOf(res).sessionId,
  ownerToken: readToken(BEARER.exec(req.get('authorization') ?? '')?.[1]),
})
