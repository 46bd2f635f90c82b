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

export const askBody = z.strictObject({
  kind: z.literal('code').default('code'),
  length: z.number().int().min(3).max(12).optional(),
  sent_to: z.string().max(200).optional(),
  ...message,
  message: z.string().max(500).optional(),
  /** Seconds. */
  expires_in: z.number().positive().max(600).optional(),
  /** Whether the bot can send another code. */
  resend: z.boolean().default(false),
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
