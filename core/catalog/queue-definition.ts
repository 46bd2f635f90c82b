/**
 * The queue of a service. Its limits hold over all workers together. Services that call the same portal share a queue;
 * services that must not share limits have separate ones.
 */
import { z } from 'zod'

export const queueName = z
  .string()
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower-case letters and digits, with single dashes between')
  .max(64)

export const queueSchema = z.strictObject({
  name: queueName.describe('As in the worker’s option `--queue`.'),
  concurrency: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('How many requests may run concurrently; unlimited when left out.'),
  /** How many requests may start within `seconds`; unlimited when left out. */
  rate: z
    .strictObject({
      requests: z.number().int().min(1).max(1_000_000),
      seconds: z.number().positive().max(86_400),
    })
    .optional(),
})

export type ServiceQueue = z.output<typeof queueSchema>
