/** Validates what was submitted against the fields of the service. */
import type { FieldError } from '../domain/errors.ts'
import { FIELD_TYPES } from './fields.ts'
import type { Service } from './service-definition.ts'

export type Validated = { ok: true; data: Record<string, unknown> } | { ok: false; errors: FieldError[] }

/** Reports all fields that are invalid, missing or unknown; valid values are returned normalized. */
export function validateRequestData(
  service: Pick<Service, 'fields'>,
  input: Record<string, unknown>,
): Validated {
  const data: Record<string, unknown> = {}
  const errors: FieldError[] = []
  for (const { name, type } of service.fields) {
    const value = Object.hasOwn(input, name) ? input[name] : undefined
    if (value === undefined || value === null || (typeof value === 'string' && value.trim() === '')) {
      errors.push({ field: name, code: 'required' })
      continue
    }
    const parsed = FIELD_TYPES[type as keyof typeof FIELD_TYPES].schema.safeParse(value)
    if (parsed.success) data[name] = parsed.data
    else errors.push({ field: name, code: parsed.error.issues[0]?.message ?? 'invalid' })
  }
  const known = new Set(service.fields.map((field) => field.name))
  for (const name of Object.keys(input)) {
    if (!known.has(name)) errors.push({ field: name.slice(0, 100), code: 'unknown_field' })
  }
  return errors.length > 0 ? { ok: false, errors } : { ok: true, data }
}
