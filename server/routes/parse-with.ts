/** Checks the body of a bot's call by its schema. */
import type { z } from 'zod'
import { AppError } from '../../core/domain/errors.ts'

/** @param code of the field errors. @throws AppError `validation_failed` with everything that is wrong */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  body: unknown,
  code = 'invalid_report',
): z.output<Schema> {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new AppError('validation_failed', {
    errors: parsed.error.issues.map(({ path, message }) => ({
      field: path.length === 0 ? 'body' : path.join('.').slice(0, 100),
      code,
      params: { reason: message },
    })),
  })
}
