/** The bodies of a bot's reports. */
import { z } from 'zod'

const message = {
  message: z.string().max(2000).optional(),
  message_key: z.string().max(200).optional(),
  message_params: z.record(z.string().max(100), z.union([z.string().max(2000), z.number()])).optional(),
}

export const progressBody = z.strictObject({
  progress: z.number(),
  step: z.string().max(200).optional(),
  ...message,
  parts: z
    .array(
      z.strictObject({
        id: z.string().max(200),
        state: z.enum(['waiting', 'current', 'done']),
        progress: z.number().optional(),
        outcome: z.enum(['failed', 'skipped']).optional(),
      }),
    )
    .max(100)
    .optional(),
})

/** Beside the question itself (`core/catalog/question.ts`). */
export const askOptions = z.object({
  /** Whether the bot can send another code, or show another picture; true when left out. */
  resend: z.boolean().optional(),
})

export const rejectBody = z.strictObject(message)

/** A result may be null, and must be there. */
export const completeBody = z
  .strictObject({ result: z.unknown() })
  .refine((body) => Object.hasOwn(body, 'result') && body.result !== undefined, {
    path: ['result'],
    message: 'Required',
  })

export const failBody = z.strictObject({
  code: z.string().min(1).max(100),
  ...message,
  message: z.string().max(2000).default(''),
  retryable: z.boolean().optional(),
})
