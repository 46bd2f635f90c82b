/** Data for a request, from the fields of a service. */
import type { Field, FieldKind } from '../../core/catalog/field-definition.ts'
import { validateRequestData } from '../../core/catalog/request-data.ts'
import type { Service } from '../../core/catalog/service-definition.ts'

const EXAMPLES: Readonly<Record<Exclude<FieldKind, 'choice' | 'choices'>, unknown>> = {
  text: 'Example',
  multiline: 'Example',
  number: 1,
  email: 'person@example.com',
  tel: '+4930123456',
  url: 'https://example.com/',
  date: '2026-01-31',
  checkbox: true,
  secret: 'example-secret',
  mobile: '09123456789',
  national_code: '0012345679',
  account_number: '1234567890123',
  iban: 'DE89370400440532013000',
}

function exampleOf({ type, example, default: preset, options = [], min }: Field): unknown {
  if (example !== undefined) return example
  if (preset !== undefined) return preset
  if (type === 'choice') return options[0]?.value
  if (type === 'choices') return options.slice(0, 1).map(({ value }) => value)
  return min ?? EXAMPLES[type]
}

/**
 * @param given values that replace the examples
 * @returns the data as a bot gets it, or the fields that need a value
 */
export function exampleData(
  service: Service,
  given: Readonly<Record<string, unknown>>,
): { ok: true; data: Record<string, unknown> } | { ok: false; why: string } {
  const examples = service.fields.filter(({ required }) => required).map((f) => [f.name, exampleOf(f)])
  const validated = validateRequestData(service, { ...Object.fromEntries(examples), ...given })
  if (validated.ok) return validated
  const faults = validated.errors.map(({ field, code }) => `${field} (${code})`).join(', ')
  return { ok: false, why: `these fields need other values: ${faults}. Give them with --data` }
}
