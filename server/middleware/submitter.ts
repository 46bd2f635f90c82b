/** Lets those submit whom SUBMITTERS names. */
import type { RequestHandler } from 'express'
import { AppError } from '../../core/domain/errors.ts'
import type { SignIn } from '../sign-in.ts'
import { callerOf } from './caller.ts'

export function requireSubmitter(signIn: Pick<SignIn, 'maySubmit' | 'readsBearer'>): RequestHandler {
  return (req, res, next) => {
    if (signIn.maySubmit(req, callerOf(res).user)) return next()
    if (signIn.readsBearer) res.set('WWW-Authenticate', 'Bearer')
    const detail = signIn.readsBearer
      ? 'Send Authorization: Bearer with a valid API key or token.'
      : undefined
    throw new AppError('not_signed_in', { detail })
  }
}
