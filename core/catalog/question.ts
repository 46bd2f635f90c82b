/** A question as a bot asks it: JSON in snake_case, in its answer `SMS_SENT` or in a call of its own. */
import { z } from 'zod'
import { MAX_TEXT_ANSWER } from '../domain/answer.ts'
import { AppError, type FieldError } from '../domain/errors.ts'
import { messageKeySchema } from '../domain/message.ts'
import { QUESTION_KINDS } from '../domain/otp-data.ts'
import { parseImage } from './image.ts'
import { textSchema } from './text.ts'

export const MAX_QUESTION_IMAGE_BYTES = 64 * 1024
const MAX_OPTIONS = 20
const MAX_SECONDS = 600

const common = {
  /** The masked recipient of the code: `0912***4567`. */
  sent_to: z.string().max(200).optional(),
  /** The question. */
  message: z.string().max(500).optional(),
  ...messageKeySchema,
  /** Seconds until the question expires. Default: 120. */
  expires_in: z.number().positive().max(MAX_SECONDS).optional(),
}

const label = textSchema(100)
const option = z.object({
  value: z
    .string()
    .max(100)
    .regex(/^\P{Cc}+$/u, 'must be one line of 1 to 100 characters'),
  label,
})

/** The fields of each kind; `options` and `image` are necessary, all others have a default. */
const code = z.object({
  kind: z.literal('code').optional(),
  ...common,
  /** The number of digits. */
  length: z.number().int().min(3).max(12).optional(),
})
const text = z.object({
  kind: z.literal('text'),
  ...common,
  /** The most characters of the answer. */
  max_length: z.number().int().min(1).max(MAX_TEXT_ANSWER).optional(),
})
const choice = z.object({
  kind: z.literal('choice'),
  ...common,
  options: z.array(option).min(2).max(MAX_OPTIONS).refine(haveDifferentValues, 'must have different values'),
})
/** The answer is `yes` or `no`. */
const confirm = z.object({
  kind: z.literal('confirm'),
  ...common,
  confirm_label: label.optional(),
  decline_label: label.optional(),
})
const image = z.object({
  kind: z.literal('image'),
  ...common,
  image: z
    .string()
    .refine(
      (value) => parseImage(value, MAX_QUESTION_IMAGE_BYTES) !== null,
      'must be a data: address in base64 of a PNG, JPEG, GIF or WebP of at most 64 kB',
    ),
})

function haveDifferentValues(options: readonly { value: string }[]): boolean {
  return new Set(options.map(({ value }) => value)).size === options.length
}

/** A question of any kind. Without `kind` it asks for a code. */
export const askSchema = z.discriminatedUnion('kind', [code, text, choice, confirm, image], {
  error: `must be ${QUESTION_KINDS.join(', ')}`,
})
export type AskedQuestion = z.output<typeof askSchema>

/** Fields without which the question can still be asked. */
const HINTS: ReadonlySet<unknown> = new Set([
  'length',
  'sent_to',
  'message',
  'expires_in',
  'max_length',
  'confirm_label',
  'decline_label',
])

type ParsedQuestion = { ok: true; question: AskedQuestion } | { ok: false; errors: FieldError[] }

/** @param options.lenient ignores invalid hints: the question is asked without them */
export function parseQuestion(
  value: unknown,
  { lenient = false }: { lenient?: boolean } = {},
): ParsedQuestion {
  const parsed = askSchema.safeParse(value)
  if (parsed.success) return { ok: true, question: parsed.data }
  const { issues } = parsed.error
  const invalid = new Set<unknown>(issues.map(({ path }) => path[0]))
  if (lenient && [...invalid].every((name) => HINTS.has(name))) {
    const kept = Object.entries(value as object).filter(([name]) => !invalid.has(name))
    return parseQuestion(Object.fromEntries(kept))
  }
  const errors = issues.map(({ path, message }) => ({
    field: path.map(String).join('.') || 'question',
    code: 'invalid_question',
    params: { reason: message },
  }))
  return { ok: false, errors }
}

/** @throws AppError `bot_bad_answer` that names what is wrong */
export function parseQuestionOfBot(value: unknown, options?: { lenient?: boolean }): AskedQuestion {
  const parsed = parseQuestion(value, options)
  if (parsed.ok) return parsed.question
  const reasons = parsed.errors.map(({ field, params }) => `${field} ${params?.reason}`)
  throw new AppError('bot_bad_answer', { detail: `The question is invalid: ${reasons.join('; ')}.` })
}
