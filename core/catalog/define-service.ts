/** A service as data: its form fields, its steps, and the limits of time and attempts. */
import type { FieldError } from '../domain/errors.ts'
import { FIELD_TYPES } from './fields.ts'
import type { ServiceQueue } from './queue-definitions.ts'

/** A text in all languages of the pages. */
export interface Localized {
  en: string
  fa: string
}

export interface Field {
  name: string
  type: keyof typeof FIELD_TYPES
  label: Localized
  hint: Localized
  /** A valid value, shown where the service is a demo. */
  example: string
}

/** How long a request waits before its next attempt. */
export interface Backoff {
  /** `exponential` doubles the wait after each failed attempt. */
  type: 'fixed' | 'exponential'
  /** Before the second attempt. */
  seconds: number
  /** Upper bound of the exponential wait. */
  maxSeconds?: number
  /** 0 to 1: up to this share of the wait is subtracted at random, so that requests that failed together do not retry together. */
  jitter?: number
}

export const PRIORITIES = 10
export const DEFAULT_PRIORITY = 5

export interface Service<MessageKey extends string = string> {
  slug: string
  title: Localized
  description: Localized
  fields: readonly Field[]
  /** In order; `id` is what a bot reports. `of` makes it a substep of the step with that id, which must precede it. */
  steps: readonly { id: string; title: Localized; of?: string }[]
  /** The usual duration, shown before submitting and counted down during the run. */
  estimatedSeconds: number
  /** Replaces LOCAL_API_TIMEOUT: seconds for all attempts together, 300 at most, waits for a code not counted. */
  limitSeconds?: number
  /** Attempts at most, when the bot fails with retryable errors. */
  tries: number
  backoff: Backoff
  /** Whether the submitter is asked for a code. */
  usesOtp: boolean
  /**
   * Name of the field that identifies the recipient of codes, such as the mobile number. Codes sent to it and wrong codes
   * typed for it are limited over all requests.
   */
  subject?: string
  /** Its requests share this queue's limits with the other services of the queue. */
  queue: ServiceQueue
  /** Default priority of its requests, 1 (most urgent) to 10; 5 when left out. */
  priority?: number
  /** Messages of its bot in ICU syntax, by key; a failure's key is its code. */
  messages?: Readonly<Record<MessageKey, Localized>>
  /** Labels of result fields at any depth. A field without a label is shown by its name, split into words. */
  resultLabels?: Readonly<Record<string, Localized>>
  /** The result field that is shown first, and large. */
  headline?: string
  /** `active`: the same submitter with the same data gets their unfinished request instead of a second one. */
  dedupe?: 'active'
}

/** Validates the service, and keeps the keys of its messages in its type. */
export function defineService<MessageKey extends string = never>(
  service: Service<MessageKey>,
): Service<MessageKey> {
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(service.slug))
    throw new Error(`invalid service slug "${service.slug}"`)
  if (service.limitSeconds !== undefined && service.limitSeconds > 300)
    throw new Error(`${service.slug}: limitSeconds is 300 at most`)
  service.steps.forEach(({ id, of }, i) => {
    const parent = service.steps.slice(0, i).find((step) => step.id === of)
    if (of !== undefined && (!parent || parent.of !== undefined))
      throw new Error(`${service.slug}: ${id} is a substep of "${of}", which is no step before it`)
  })
  if (service.subject !== undefined && !service.fields.some(({ name }) => name === service.subject))
    throw new Error(`${service.slug}: its subject ${service.subject} is not one of its fields`)
  const { priority = DEFAULT_PRIORITY, backoff } = service
  if (!Number.isInteger(priority) || priority < 1 || priority > PRIORITIES)
    throw new Error(`${service.slug}: priority is a whole number from 1 to ${PRIORITIES}`)
  if (backoff.jitter !== undefined && !(backoff.jitter >= 0 && backoff.jitter <= 1))
    throw new Error(`${service.slug}: jitter is a share from 0 to 1`)
  return Object.freeze(service)
}

export type Validated = { ok: true; data: Record<string, string> } | { ok: false; errors: FieldError[] }

/** Reports all fields that are invalid, missing or unknown; valid values are returned normalized. */
export function validateRequestData(service: Service, input: Record<string, unknown>): Validated {
  const data: Record<string, string> = {}
  const errors: FieldError[] = []
  for (const { name, type } of service.fields) {
    const value = Object.hasOwn(input, name) ? input[name] : undefined
    if (value === undefined || value === null || (typeof value === 'string' && value.trim() === '')) {
      errors.push({ field: name, code: 'required' })
      continue
    }
    const parsed = FIELD_TYPES[type].schema.safeParse(value)
    if (parsed.success) data[name] = parsed.data
    else errors.push({ field: name, code: parsed.error.issues[0]?.message ?? 'invalid' })
  }
  const known = new Set(service.fields.map((field) => field.name))
  for (const name of Object.keys(input)) {
    if (!known.has(name)) errors.push({ field: name.slice(0, 100), code: 'unknown_field' })
  }
  return errors.length > 0 ? { ok: false, errors } : { ok: true, data }
}
