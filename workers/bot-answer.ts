/** Parses what a bot answers to a call. */
import { z } from 'zod'
import { type AskedQuestion, parseQuestionOfBot } from '../core/catalog/question.ts'
import { commonMessage } from '../core/domain/common-messages.ts'
import { AppError } from '../core/domain/errors.ts'
import { messageKeySchema } from '../core/domain/message.ts'
import { describeInexact, findInexactInJson } from '../core/records/exact-numbers.ts'

const text = (maxLength: number, fallback: string) =>
  z
    .string()
    .min(1)
    .catch(fallback)
    .transform((value) => value.slice(0, maxLength))

/** Class and place of the error behind a failure, as our library sends them. Never a message: it may quote what was typed. */
const causeSchema = z.object({
  name: z.string().regex(/^[A-Za-z_$][\w$.]{0,59}$/),
  at: z
    .string()
    .regex(/^[\w@$.+/ -]{1,120}:\d{1,7}$/)
    .optional()
    .catch(undefined),
})

/** Only `status` must be valid: finished work is not discarded for an invalid message. */
const answerSchema = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('success'),
    code: text(100, 'COMPLETED'),
    data: z.unknown().optional(),
    otp_data: z.record(z.string(), z.unknown()).optional().catch({}),
  }),
  z
    .object({
      status: z.literal('error'),
      code: text(100, 'failed'),
      message: text(2000, ''),
      ...messageKeySchema,
      retryable: z.boolean().catch(false),
      cause: causeSchema.optional().catch(undefined),
    })
    .transform((answer) => (answer.message ? answer : { ...answer, ...commonMessage('no_reason') })),
])
type ParsedAnswer = z.infer<typeof answerSchema>
type Success = Extract<ParsedAnswer, { status: 'success' }>
export type BotAnswer =
  | Exclude<ParsedAnswer, Success>
  /** The question of an answer `SMS_SENT`. */
  | (Omit<Success, 'otp_data'> & { otp_data?: AskedQuestion })

/** @throws AppError `bot_bad_answer`; `bot_unavailable` for an answer that is not the bot's own */
export function parseAnswer(text: string, status: number): BotAnswer {
  const json = parseJson(text)
  const answer = answerSchema.safeParse(json)
  if (answer.success) {
    const inexact = answer.data.status === 'success' ? findInexactInJson(text, 'data') : null
    if (inexact !== null) throw new AppError('bot_bad_answer', { detail: describeInexact(inexact) })
    return withQuestion(answer.data)
  }
  // A proxy or a crashing server answers HTML or other JSON: temporary.
  if (status >= 500 || status === 408) throw new AppError('bot_unavailable')
  throw new AppError('bot_bad_answer', {
    detail:
      json === undefined
        ? 'The bot did not answer with JSON.'
        : 'The bot answered with an unknown JSON shape.',
  })
}

/** The body of an answer whose HTTP status refuses the call; undefined when it is no error. */
export function parseRefusal(text: string): Extract<BotAnswer, { status: 'error' }> | undefined {
  const { data } = answerSchema.safeParse(parseJson(text))
  return data?.status === 'error' ? data : undefined
}

function withQuestion(answer: ParsedAnswer): BotAnswer {
  if (answer.status === 'error') return answer
  const { otp_data, ...rest } = answer
  if (answer.code !== 'SMS_SENT' || otp_data === undefined) return rest
  return { ...rest, otp_data: parseQuestionOfBot(otp_data, { lenient: true }) }
}

/** @returns undefined for invalid JSON */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
