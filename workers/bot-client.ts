/** Calls a bot over HTTP and understands its answer, whatever it is: nothing a bot says makes a worker stumble. */
import { Agent, fetch } from 'undici'
import { z } from 'zod'
import { AppError } from '../core/errors.ts'

const text = (most: number, otherwise: string) =>
  z
    .string()
    .min(1)
    .catch(otherwise)
    .transform((given) => given.slice(0, most))
const otpSchema = z.object({
  length: z.number().int().min(3).max(12).optional().catch(undefined),
  sent_to: z.string().max(200).optional().catch(undefined),
  message: z.string().max(500).optional().catch(undefined),
  expires_in: z.number().int().min(1).max(600).optional().catch(undefined),
})

/** Only `status` must be right: work that is done is not thrown away for an odd message. */
const answerSchema = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('success'),
    code: text(100, 'COMPLETED'),
    data: z.unknown().optional(),
    otp_data: otpSchema.optional().catch({}),
  }),
  z.object({
    status: z.literal('error'),
    code: text(100, 'failed'),
    message: text(2000, 'The bot could not do it.'),
    retryable: z.boolean().catch(false),
  }),
])
export type BotAnswer = z.infer<typeof answerSchema>

export interface BotCall {
  slug: string
  hash: string
  attempt: number
  requestData: Record<string, unknown>
  /** The code, for a bot that answered SMS_SENT before. */
  otp?: string
  /** Closes the connection, which tells the bot to stop. */
  signal: AbortSignal
}

export interface BotClient {
  /** @throws AppError `bot_unavailable`, `bot_unauthorized`, `bot_bad_answer`; the signal's reason when aborted */
  call(call: BotCall): Promise<BotAnswer>
  stop(): Promise<void>
}

/** Room for the largest result and what is wrapped around it. */
const MOST_BYTES = 1024 * 1024

export function createBotClient({ url, token }: { url: string; token: string }): BotClient {
  // The caller's signal is the only time limit: fetch's own 300 s would hang up on a person who is looking for a code.
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 5000 } })
  return {
    async call({ slug, hash, attempt, requestData, otp, signal }) {
      try {
        const response = await fetch(`${url.replace(/\/$/, '')}/api/services/${encodeURIComponent(slug)}`, {
          method: 'POST',
          dispatcher: agent,
          signal,
          redirect: 'error',
          headers: {
            'content-type': 'application/json',
            authorization: `Bearer ${token}`,
            'idempotency-key': hash,
            'x-attempt': String(attempt),
          },
          body: JSON.stringify({ ...requestData, requestHash: hash, ...(otp !== undefined && { otp }) }),
        })
        if (response.status === 401 || response.status === 403) {
          // An answer that nobody reads would keep its connection.
          await response.body?.cancel()
          throw new AppError('bot_unauthorized')
        }
        return understand(await readText(response), response.status)
      } catch (error) {
        signal.throwIfAborted()
        throw error instanceof AppError ? error : new AppError('bot_unavailable', { cause: error })
      }
    },
    stop: () => agent.destroy(),
  }
}

async function readText(response: Awaited<ReturnType<typeof fetch>>): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MOST_BYTES)
      throw new AppError('bot_bad_answer', { detail: `The bot's answer is larger than ${MOST_BYTES} bytes.` })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function understand(text: string, status: number): BotAnswer {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    // A proxy, a crashing or a busy server speaks HTML: that passes.
    if (mayPass(status)) throw new AppError('bot_unavailable', { cause })
    throw new AppError('bot_bad_answer', { detail: 'The bot did not answer with JSON.', cause })
  }
  const answer = answerSchema.safeParse(json)
  if (answer.success) return answer.data
  throw new AppError(mayPass(status) ? 'bot_unavailable' : 'bot_bad_answer', {
    detail: 'The bot answered in an unknown form.',
  })
}

const mayPass = (status: number): boolean => status >= 500 || status === 429 || status === 408
