/** A service: what is asked of the person, which steps the bot takes, how long and how often it may try. Data only. */
import type { FieldError } from '../domain/errors.ts'
import { FIELD_TYPES } from './fields.ts'
import type { ServiceQueue } from './queue-definitions.ts'

/** A text in every language of the pages. */
export interface Localized {
  en: string
  fa: string
}

export interface Field {
  name: string
  type: keyof typeof FIELD_TYPES
  label: Localized
  hint: Localized
  /** A value to try the service with, shown where the service is a demo. */
  example: string
}

/** How long a request waits before its next try. */
export interface Backoff {
  /** `fixed` waits the same each time, `exponential` twice as long after each try that failed. */
  type: 'fixed' | 'exponential'
  /** Before the second try. */
  seconds: number
  /** The longest wait, where twice as long would be longer. */
  maxSeconds?: number
  /** Up to this share of the wait is left out at random, 0 to 1: those who failed together do not come back together. */
  jitter?: number
}

export const PRIORITIES = 10
export const DEFAULT_PRIORITY = 5

export interface Service<MessageKey extends string = string> {
  slug: string
  title: Localized
  description: Localized
  fields: readonly Field[]
  /** In their order; `id` is what a bot reports. `of` makes one a part of the step with this id, which stands before it. */
  steps: readonly { id: string; title: Localized; of?: string }[]
  /** What a run usually takes, shown before submitting and counted down while it runs. */
  estimatedSeconds: number
  /** The longest one call of the bot may take, 300 at most, where LOCAL_API_TIMEOUT does not fit; waiting for a person does not count. */
  limitSeconds?: number
  /** How often the bot is called at most, when it fails in a way that may pass. */
  tries: number
  backoff: Backoff
  /** Whether the person will be asked for a code. */
  usesOtp: boolean
  /**
   * The name of the field that says who is asked, such as their mobile number: how many codes it is sent and how many wrong
   * ones are typed is limited over all requests.
   */
  subject?: string
  /** Where its requests wait, with limits that all services in it share. */
  queue: ServiceQueue
  /** How urgent its requests are where nobody says otherwise: 1 is the most urgent of ten; 5 when left out. */
  priority?: number
  /** What its bot says, ICU messages by key; a failure's key is its code. */
  messages?: Readonly<Record<MessageKey, Localized>>
  /** What the names in the result mean, at any depth. One that is missing is shown as words of its own. */
  resultLabels?: Readonly<Record<string, Localized>>
  /** The name in the result that most people came for: shown first, and large. */
  headline?: string
  /** `active`: the same person asking the same thing gets their running request back instead of a second one. */
  dedupe?: 'active'
}

/** The names of its messages stay known to the types. */
export function defineService<MessageKey extends string = never>(
  service: Service<MessageKey>,
): Service<MessageKey> {
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(service.slug)) throw new Error(`bad service slug "${service.slug}"`)
  if (service.limitSeconds !== undefined && service.limitSeconds > 300)
    throw new Error(`${service.slug}: limitSeconds is 300 at most`)
  service.steps.forEach(({ id, of }, i) => {
    const parent = service.steps.slice(0, i).find((step) => step.id === of)
    if (of !== undefined && (!parent || parent.of !== undefined))
      throw new Error(`${service.slug}: ${id} is a part of no step before it`)
  })
  if (service.subject !== undefined && !service.fields.some(({ name }) => name === service.subject))
    throw new Error(`${service.slug}: its subject ${service.subject} is none of its fields`)
  const { priority = DEFAULT_PRIORITY, backoff } = service
  if (!Number.isInteger(priority) || priority < 1 || priority > PRIORITIES)
    throw new Error(`${service.slug}: priority is a whole number from 1 to ${PRIORITIES}`)
  if (backoff.jitter !== undefined && !(backoff.jitter >= 0 && backoff.jitter <= 1))
    throw new Error(`${service.slug}: jitter is a share from 0 to 1`)
  return Object.freeze(service)
}

export type Validated = { ok: true; data: Record<string, string> } | { ok: false; errors: FieldError[] }

/** Every field that is wrong, missing or unknown is named; good values come back in their plain form. */
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
