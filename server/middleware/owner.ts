/** Checks ownership before each call and page of one request. */
import type { Request, RequestHandler, Response } from 'express'
import { type Credentials, type Ownership, type Permission, parseOwnerToken } from '../ownership.ts'
import { callerOf } from './caller.ts'

const BEARER = /^Bearer +(\S+) *$/i

export const requireOwner =
  (ownership: Ownership, permission: Permission): RequestHandler =>
  async (req, res, next) => {
    await ownership.check(String(req.params.hash), credentialsOf(req, res), permission)
    next()
  }

export const credentialsOf = (req: Request, res: Response): Credentials => ({
  sessionId: callerOf(res).sessionId,
  userId: callerOf(res).user?.id ?? null,
  ownerToken: parseOwnerToken(BEARER.exec(req.get('authorization') ?? '')?.[1]),
})
