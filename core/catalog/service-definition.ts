/**
 * The definition of a service, as a bot announces it: JSON in snake_case. One schema checks it, types it, and gives the
 * JSON Schema for editors. Its defaults are filled in, so the rest of the code reads no absent settings.
 */
import { z } from 'zod'
import { compile } from '../i18n/compile-messages.ts'
import { checkFields, fieldSchema } from './field-definition.ts'
import { queueSchema } from './queue-definition.ts'
import { resultSchema } from './result-definition.ts'
import { textSchema } from './text.ts'

export const PRIORITIES = 10
export const DEFAULT_PRIORITY = 5
const MAX_LIMIT_SECONDS = 3600
const MAX_STEPS = 50
const MAX_FIELDS = 50
const MAX_MESSAGES = 200
/** Where neither the service nor its steps say how long it usually takes. */
const DEFAULT_SECONDS = 60

/** The drawings that the pages have, by name: server/pages/templates/service-icon.eta. */
export const ICONS = [
  'bank', 'car', 'document', 'gauge', 'house', 'link', 'mail', 'person', 'scales', 'search',
] as const // biome-ignore format: a list
const characters = new Intl.Segmenter()
const isIcon = (icon: string): boolean =>
  (ICONS as readonly string[]).includes(icon) || [...characters.segment(icon)].length === 1

const id = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower-case letters, digits and underscores, 64 at most')
const slug = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower-case letters and digits, with single dashes between')

const stepSchema = z.strictObject({
  /** What the bot reports. */
  id,
  title: textSchema(100),
  of: id
    .optional()
    .describe(
      'Makes it a substep of the step with that id, which must precede it. Substeps run concurrently.',
    ),
  usual_seconds: z.number().positive().max(MAX_LIMIT_SECONDS).optional(),
})

/** How long a request waits before its next attempt. */
const backoffSchema = z.strictObject({
  type: z
    .enum(['fixed', 'exponential'])
    .default('exponential')
    .describe('`exponential` doubles the wait after each failed attempt.'),
  seconds: z.number().min(0).max(MAX_LIMIT_SECONDS).default(5).describe('Before the second attempt.'),
  max_seconds: z
    .number()
    .min(0)
    .max(MAX_LIMIT_SECONDS)
    .optional()
    .describe('Upper bound of the exponential wait.'),
  jitter: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .describe(
      'Up to this share of the wait is subtracted at random, so that requests that failed together do not retry together.',
    ),
})

const shape = z.strictObject({
  /** For editors. */
  $schema: z.string().optional(),
  slug,
  title: textSchema(100),
  description: textSchema(1000).default(''),
  icon: z
    .string()
    .min(1)
    .max(16)
    .refine(isIcon, `must be one character, such as an emoji, or one of ${ICONS.join(', ')}`)
    .optional()
    .describe(`Beside the title: one character, such as an emoji, or a drawing: ${ICONS.join(', ')}.`),
  fields: z.array(fieldSchema).max(MAX_FIELDS).default([]),
  steps: z.array(stepSchema).max(MAX_STEPS).default([]).describe('In order.'),
  result: resultSchema.default({ fields: [] }),
  /** Messages of the bot in ICU syntax, by key; the key of a failure is its code. */
  messages: z
    .record(z.string().min(1).max(100), textSchema(2000))
    .refine((all) => Object.keys(all).length <= MAX_MESSAGES, `must have at most ${MAX_MESSAGES} messages`)
    .default({}),
  usual_seconds: z
    .number()
    .positive()
    .max(MAX_LIMIT_SECONDS)
    .optional()
    .describe(
      'The usual duration, shown before submitting and counted down during the run. Default: the sum of the steps.',
    ),
  limit_seconds: z
    .number()
    .int()
    .min(1)
    .max(MAX_LIMIT_SECONDS)
    .optional()
    .describe('For all attempts together, waits for the submitter not counted; replaces LOCAL_API_TIMEOUT.'),
  tries: z
    .number()
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe('Attempts at most, when the bot fails with retryable errors.'),
  backoff: backoffSchema.prefault({}),
  asks_for_code: z
    .boolean()
    .default(false)
    .describe('Whether the form says that the submitter is asked for a code.'),
  subject: id
    .optional()
    .describe(
      'The field that names the recipient of codes. Codes sent to it and wrong codes for it are limited over all requests.',
    ),
  queue: queueSchema
    .optional()
    .describe(
      'Its requests share this queue’s limits with the other services of the queue. Default: a queue of its own.',
    ),
  priority: z
    .number()
    .int()
    .min(1)
    .max(PRIORITIES)
    .default(DEFAULT_PRIORITY)
    .describe('Default priority of its requests, 1 (most urgent) to 10.'),
  dedupe: z
    .literal('active')
    .optional()
    .describe(
      '`active`: the same submitter with the same data gets their unfinished request instead of a second one.',
    ),
})

export const serviceSchema = shape
  .superRefine(checkReferences)
  .transform(({ $schema: _forEditors, ...service }) => ({
    ...service,
    queue: service.queue ?? { name: service.slug },
    usual_seconds: service.usual_seconds ?? (sumOfSteps(service.steps) || DEFAULT_SECONDS),
  }))

/** As a bot writes it. */
export type ServiceDefinition = z.input<typeof serviceSchema>
/** As the rest of the code reads it. */
export type Service = z.output<typeof serviceSchema>

const sumOfSteps = (steps: readonly z.output<typeof stepSchema>[]): number =>
  steps.reduce((sum, { of, usual_seconds = 0 }) => (of === undefined ? sum + usual_seconds : sum), 0)

/** Names that must exist elsewhere in the definition, and must be there once. */
function checkReferences(
  { fields, steps, subject, messages }: z.output<typeof shape>,
  context: z.RefinementCtx,
): void {
  const complain = (path: (string | number)[], message: string): void =>
    context.addIssue({ code: 'custom', path, message })
  steps.forEach((step, i) => {
    const before = steps.slice(0, i)
    if (before.some((other) => other.id === step.id)) complain(['steps', i, 'id'], 'is there twice')
    const parent = before.find((other) => other.id === step.of)
    if (step.of !== undefined && (!parent || parent.of !== undefined))
      complain(['steps', i, 'of'], 'must be a step before it that is no substep')
  })
  checkFields(fields, complain)
  const subjectField = fields.find(({ name }) => name === subject)
  if (subject !== undefined && (!subjectField?.required || subjectField.show_when))
    complain(['subject'], 'must be a required field of the service, without show_when')
  for (const [key, text] of Object.entries(messages))
    for (const words of typeof text === 'string' ? [text] : Object.values(text))
      if (!canCompile(words)) complain(['messages', key], 'must be ICU message syntax')
}

function canCompile(message: string): boolean {
  try {
    compile({ message })
    return true
  } catch {
    return false
  }
}

/** @returns the service, or everything that is wrong with it, as `fields[2].type: …` */
export function parseService(
  definition: unknown,
): { ok: true; service: Service } | { ok: false; errors: string[] } {
  const parsed = serviceSchema.safeParse(definition)
  if (parsed.success) return { ok: true, service: parsed.data }
  return { ok: false, errors: parsed.error.issues.map(({ path, message }) => `${toPath(path)}: ${message}`) }
}

/**
 * As `parseService`, of a definition that was accepted before, perhaps by a newer version: properties that this one does not
 * know are left out.
 */
export function parseStoredService(definition: unknown): Service | null {
  const copy: unknown = structuredClone(definition)
  for (let rounds = 0; rounds < 10; rounds++) {
    const parsed = serviceSchema.safeParse(copy)
    if (parsed.success) return parsed.data
    const unknown = parsed.error.issues.filter((issue) => issue.code === 'unrecognized_keys')
    if (unknown.length < parsed.error.issues.length) return null
    for (const { path, keys } of unknown) {
      const owner = path.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown>)[part], copy)
      for (const key of keys) delete (owner as Record<string, unknown>)[key]
    }
  }
  return null
}

const toPath = (path: readonly PropertyKey[]): string =>
  path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .slice(1) || 'definition'
