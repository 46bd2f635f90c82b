/** What every call of a bot about a request has. */
import type { Request } from 'express'
import { AppError } from '../../core/domain/errors.ts'

export const calledHash = (req: Request): string => String(req.params.hash)

/** @throws AppError `validation_failed` */
export function attemptOf(req: Request): number {
  const given = req.get('x-attempt')
  if (given !== undefined && /^\d{1,9}$/.test(given)) return Number(given)
  throw new AppError('validation_failed', {
    errors: [
      given === undefined
        ? { field: 'X-Attempt', code: 'required' }
        : { field: 'X-Attempt', code: 'invalid_report', params: { reason: 'must be a whole number' } },
    ],
  })
}
