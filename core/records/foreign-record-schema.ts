/** Schema of a record that another program wrote: essential fields are checked, all others fall back to a default. */
import { z } from 'zod'
import { toCancelReason } from '../domain/cancel-reason.ts'
import { toIso } from '../domain/iso-time.ts'
import { isBlank, messageKeySchema } from '../domain/message.ts'
import { STATUSES } from '../domain/record.ts'
import type { FailureCause } from '../domain/request-failure.ts'
import { parseForeignQuestion } from './foreign-question.ts'

const isoTime = z.iso.datetime({ offset: true }).transform((text) => toIso(Date.parse(text)))
const nullableTime = isoTime.nullable().catch(null)
const shortText = z.string().transform((text) => text.slice(0, 2000))
const wholeSeconds = z.coerce.number().int().nonnegative().max(86_400)
const count = z.number().int().nonnegative().max(1_000_000_000)

const range = z.tuple([z.number().nonnegative(), z.number().nonnegative()]).readonly()

/** An invalid value becomes undefined. */
const ifValid = <T extends z.ZodType>(type: T) => type.optional().catch(undefined)

const questionFields = {
  kind: z.unknown().optional(),
  max_length: z.unknown().optional(),
  options: z.unknown().optional(),
  confirm_label: z.unknown().optional(),
  decline_label: z.unknown().optional(),
  image: z.unknown().optional(),
  has_image: z.unknown().optional(),
}

/** A bot may know only the public view: each field is read by itself, and internal ones may be absent. */
const promptFields = z.object({
  ...questionFields,
  id: ifValid(z.string().min(1).max(200)),
  length: ifValid(z.number().int().positive().max(100).nullable()),
  sent_to: ifValid(shortText.nullable()),
  message: ifValid(shortText.nullable()),
  ...messageKeySchema,
  expires_at: ifValid(isoTime),
  resend_available_at: ifValid(isoTime.nullable()),
  attempts_left: ifValid(count),
  error: ifValid(z.object({ code: z.literal('otp_rejected'), message: shortText.catch('') }).nullable()),
  requested_at: ifValid(isoTime),
  resends: ifValid(count),
  resend_requested: ifValid(z.boolean()),
  recall: ifValid(z.boolean()),
})
const foreignPrompt = promptFields.transform(
  ({ kind, max_length, options, confirm_label, decline_label, image, has_image, ...prompt }) => ({
    ...prompt,
    ...parseForeignQuestion({ kind, max_length, options, confirm_label, decline_label, image, has_image }),
  }),
)

const text = z.union([z.string(), z.number()]).transform((value) => String(value).slice(0, 2000))

const foreignError = z.object({
  code: text.pipe(z.string().min(1)).catch('failed'),
  message: text.catch(''),
  retryable: z.boolean().catch(false),
  // What another program puts there may be private.
  cause: z
    .unknown()
    .transform((): FailureCause | undefined => undefined)
    .optional(),
})

/** A string or a number is the message; of a list the first error counts. */
function toErrorObject(value: unknown): unknown {
  if (Array.isArray(value)) return value.length > 0 ? toErrorObject(value[0]) : null
  return typeof value === 'string' || typeof value === 'number' ? { message: value } : value
}

const foreignStep = z.object({
  id: z.string(),
  state: z.enum(['waiting', 'current', 'done']),
  started_at: nullableTime,
  finished_at: nullableTime,
  of: z.string().optional().catch(undefined),
  progress: z.number().transform(clampPercent).optional().catch(undefined),
  outcome: z.enum(['failed', 'skipped']).optional().catch(undefined),
  waited_ms: ifValid(count),
})

export const foreignRecordSchema = z.object({
  hash: z.string().catch(''),
  service_slug: z.string().max(200).catch(''),
  user_id: z.union([z.string(), z.number()]).nullable().catch(null),
  session_id: z.string().nullable().catch(null),
  subject: z.string().max(64).optional().catch(undefined),
  bot: z.string().max(300).optional().catch(undefined),
  session_lost: z.boolean().optional().catch(undefined),
  queue: z.string().max(64).optional().catch(undefined),
  submitter: z.string().max(64).optional().catch(undefined),
  priority: z.number().int().min(1).max(10).optional().catch(undefined),
  run_at: isoTime.nullable().optional().catch(undefined),
  retry_of: z.string().max(200).nullable().optional().catch(undefined),
  // An invalid owner must not make the request public: it becomes a hash that no token has.
  owner_hash: z.string().max(200).nullable().default(null).catch('nobody'),
  status: z.enum(STATUSES),
  step: shortText.nullable().catch(null),
  progress: z.coerce.number().catch(0),
  current_message: shortText
    .transform((words) => (isBlank(words) ? null : words))
    .nullable()
    .catch(null),
  ...messageKeySchema,
  message_fingerprint: z.string().max(100).optional().catch(undefined),
  estimated_duration: wholeSeconds.catch(0),
  request_data: z.record(z.string(), z.unknown()).catch({}),
  otp_data: foreignPrompt.nullable().catch(null),
  otp_limits: z
    .object({
      attempts_left: count,
      resends: count,
      resend_available_at: isoTime.nullable(),
      last_try: z.string().max(64).optional(),
    })
    .optional()
    .catch(undefined),
  result_data: z
    .unknown()
    .optional()
    .transform((value): unknown => value ?? null),
  error_data: z.preprocess(toErrorObject, foreignError.nullable()).catch(null),
  cancelled_by: z.enum(['user', 'operator', 'deadline', 'superseded']).nullable().catch(null),
  cancel_reason: ifValid(z.string().transform(toCancelReason)),
  // Invalid steps become undefined; those of the service replace them.
  steps: ifValid(z.array(foreignStep).max(100)),
  attempt: count.catch(0),
  max_attempts: z.number().int().positive().catch(1),
  next_retry_at: nullableTime,
  estimated_end_at: nullableTime,
  earliest_end_at: ifValid(isoTime),
  is_late: ifValid(z.boolean()),
  expected: ifValid(z.object({ total: range, steps: z.record(z.string(), range) })),
  deadline_at: nullableTime,
  waited_ms: ifValid(count),
  max_progress: z.number().int().min(0).max(100).catch(0),
  version: count.catch(0),
  revision: z.string().max(64).optional().catch(undefined),
  traceparent: z.string().max(64).optional().catch(undefined),
  created_at: isoTime.optional().catch(undefined),
  started_at: nullableTime,
  updated_at: isoTime.optional().catch(undefined),
  completed_at: nullableTime,
  expires_at: isoTime.optional().catch(undefined),
  kept: ifValid(z.boolean()),
})

export const PROMPT_FIELDS = new Set([
  ...Object.keys(promptFields.shape),
  'charset',
  'image_url',
  'resends_left',
])
export const ERROR_FIELDS = new Set(Object.keys(foreignError.shape))
export const STEP_FIELDS = new Set(Object.keys(foreignStep.shape))

export function clampPercent(value: number): number {
  return Number.isFinite(value) ? Math.min(100, Math.max(0, Math.floor(value))) : 0
}
