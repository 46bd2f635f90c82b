/**
 * The queue of a service. Its limits hold over all workers together. Services that call the same portal share a queue;
 * services that must not share limits have separate ones.
 */
import { z } from 'zod'

export const queueName = z
  .string()
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be lower-case letters and digits, with single dashes between')
  .max(64)

export const queueSchema = z
  .strictObject({
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
    lanes: z
      .number()
      .int()
      .min(1)
      .max(64)
      .optional()
      .describe('Over how many slots of a Cluster the queue is spread; its limits are split among them.'),
  })
  .refine(
    ({ concurrency, rate, lanes = 1 }) => lanes <= Math.min(concurrency ?? lanes, rate?.requests ?? lanes),
    {
      path: ['lanes'],
      message: 'must be at most `concurrency` and `rate.requests`, which are split among the lanes',
    },
  )

export type ServiceQueue = z.output<typeof queueSchema>
