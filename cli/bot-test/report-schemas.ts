/** What a bot may report, as the server checks it. */
import { z } from 'zod'
import { askSchema } from '../../core/catalog/question.ts'

const message = {
  message: z.string().max(2000).optional(),
  message_key: z.string().max(200).optional(),
  message_params: z.record(z.string().max(100), z.union([z.string().max(2000), z.number()])).optional(),
}
const part = z.strictObject({
  id: z.string().max(200),
  state: z.enum(['waiting', 'current', 'done']),
  progress: z.number().optional(),
  outcome: z.enum(['failed', 'skipped']).optional(),
})

const schemas = {
  progress: z.strictObject({
    progress: z.number(),
    step: z.string().max(200).optional(),
    parts: z.array(part).max(100).optional(),
    ...message,
  }),
  heartbeat: z.looseObject({}),
  ask: z.looseObject({ resend: z.boolean().optional() }).pipe(askSchema),
  reject: z.strictObject(message),
  complete: z.strictObject({ result: z.unknown() }),
  fail: z.strictObject({
    ...message,
    code: z.string().min(1).max(100),
    retryable: z.boolean().optional(),
  }),
} as const

export type ReportName = keyof typeof schemas

export const isReportName = (text: string): text is ReportName => Object.hasOwn(schemas, text)

/** @returns what is wrong with it, without its values; null when it is valid */
export function findReportFault(what: ReportName, body: unknown): string | null {
  const parsed = schemas[what].safeParse(body)
  if (parsed.success) return null
  const [issue] = parsed.error.issues
  return `${issue?.path.join('.') || 'body'}: ${issue?.message}`
}
