/** Calls a bot over HTTP and understands its answer, whatever it is: nothing a bot says makes a worker stumble. */
import { Agent, buildConnector, fetch, type Response } from 'undici'
import { z } from 'zod'
import { commonMessage } from '../core/domain/common-messages.ts'
import { AppError } from '../core/domain/errors.ts'
import { messageKeySchema } from '../core/domain/message.ts'
import { inexactIn, inexactWords } from '../core/records/exact-numbers.ts'

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
  ...messageKeySchema,
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
  z
    .object({
      status: z.literal('error'),
      code: text(100, 'failed'),
      message: text(2000, ''),
      ...messageKeySchema,
      retryable: z.boolean().catch(false),
    })
    .transform((answer) => (answer.message ? answer : { ...answer, ...commonMessage('no_reason') })),
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

/** The bot could not even be asked, or wants to be asked later: no work was begun, so no attempt is used up. */
export class BotNotReached extends AppError {}

export interface BotClient {
  /**
   * @throws BotNotReached `bot_unavailable`, `bot_busy`, `bot_stopping`, with `retryAfterSeconds` where the bot named it, and
   * `unknown_service` (another bot may know it);
   * AppError `bot_unavailable`, `bot_unauthorized`, `bot_bad_answer`; the signal's reason when aborted
   */
  call(call: BotCall): Promise<BotAnswer>
  stop(): Promise<void>
}

/** Room for the largest result and what is wrapped around it. */
const MOST_BYTES = 1024 * 1024

/** So soon a connection shows that the bot had closed it before it was used again. */
const STALE_WITHIN_MS = 1_000

export function createBotClient({ url, token }: { url: string; token: string }): BotClient {
  // The caller's signal is the only time limit: fetch's own 300 s would hang up on a person who is looking for a code.
  const options = {
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: markReused(buildConnector({ timeout: 5000 })),
  }
  const agent = new Agent(options)
  /** Each call on a connection of its own. */
  const fresh = new Agent({ ...options, pipelining: 0 })

  function requestOtp(
    { slug, hash, attempt, requestData, otp, signal }: BotCall,
    dispatcher: Agent,
  ): Promise<Response> {
    return fetch(`${url.replace(/\/$/, '')}/api/services/${encodeURIComponent(slug)}`, {
      method: 'POST',
      dispatcher,
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
  }

  /** A bot may close an idle connection at the moment it is used. Asking again is safe: the Idempotency-Key is the same. */
  async function askAgainIfStale(call: BotCall): Promise<Response> {
    // Behind a balancer, the connection of the first attempt may lead to the very bot that does not know the service.
    if (call.attempt > 1) return requestOtp(call, fresh)
    const begun = performance.now()
    try {
      return await requestOtp(call, agent)
    } catch (error) {
      call.signal.throwIfAborted()
      if (!wasReused(error) || performance.now() - begun > STALE_WITHIN_MS) throw error
      return requestOtp(call, fresh)
    }
  }

  return {
    async call(call) {
      const { signal } = call
      try {
        const response = await askAgainIfStale(call)
        if (response.status === 401 || response.status === 403) {
          // An answer that nobody reads would keep its connection.
          await response.body?.cancel()
          throw new AppError('bot_unauthorized')
        }
        if (response.status === 429 || response.status === 503) throw await toBusyError(response)
        const answer = parseAnswer(await readText(response), response.status)
        if (response.status === 404 && answer.code === 'unknown_service')
          throw new BotNotReached('unknown_service')
        return answer
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof AppError) throw error
        throw new (neverConnected(error) ? BotNotReached : AppError)('bot_unavailable', { cause: error })
      }
    },
    async stop() {
      await Promise.all([agent.destroy(), fresh.destroy()])
    },
  }
}

const reusedConnections = new WeakSet<Error>()

/** Remembers of each error of a connection whether it had brought an answer before. */
function markReused(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) =>
    connect(options, (...connected) => {
      const [, socket] = connected
      socket?.prependListener('error', (error) => {
        if (socket.bytesRead > 0) reusedConnections.add(error)
      })
      callback(...connected)
    })
}

/** The connection broke that had brought another answer before. */
function wasReused(error: unknown): boolean {
  const { cause } = error as { cause?: Error & { socket?: { bytesRead?: number } } }
  return cause !== undefined && (reusedConnections.has(cause) || (cause.socket?.bytesRead ?? 0) > 0)
}

/** Not even a connection: refused, no such host, no way there, or not in time. */
function neverConnected(error: unknown): boolean {
  const { cause } = error as { cause?: NodeJS.ErrnoException & { errors?: NodeJS.ErrnoException[] } }
  // A name with several addresses fails with one error for each of them.
  const { code, syscall } = cause?.errors?.[0] ?? cause ?? {}
  return syscall === 'connect' || syscall === 'getaddrinfo' || code === 'UND_ERR_CONNECT_TIMEOUT'
}

/** Its HTTP status decides; what the body says in a bot's own form is only passed on in words. */
async function toBusyError(response: Response): Promise<BotNotReached> {
  const said = readJson(await readText(response).catch(() => ''))
  const answer = answerSchema.safeParse(said).data
  const named = answer?.status === 'error' ? answer : undefined
  const unavailable = named?.code === 'bot_stopping' ? 'bot_stopping' : 'bot_unavailable'
  return new BotNotReached(response.status === 429 ? 'bot_busy' : unavailable, {
    detail: named?.message,
    retryAfterSeconds: retryAfter(response),
  })
}

/** Seconds, or a date: that one is by the bot's clock, which its answer tells too. */
function retryAfter({ headers }: Response): number | undefined {
  const text = headers.get('retry-after')?.trim() ?? ''
  if (/^\d+$/.test(text)) return Number(text)
  const there = Date.parse(headers.get('date') ?? '')
  const seconds = Math.ceil((Date.parse(text) - (Number.isNaN(there) ? Date.now() : there)) / 1000)
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}

async function readText(response: Response): Promise<string> {
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

function parseAnswer(text: string, status: number): BotAnswer {
  const json = readJson(text)
  const answer = answerSchema.safeParse(json)
  if (answer.success) {
    const inexact = answer.data.status === 'success' ? inexactIn(text, 'data') : null
    if (inexact !== null) throw new AppError('bot_bad_answer', { detail: inexactWords(inexact) })
    return answer.data
  }
  // A proxy or a crashing server speaks HTML, or another JSON: that passes.
  if (status >= 500 || status === 408) throw new AppError('bot_unavailable')
  throw new AppError('bot_bad_answer', {
    detail: json === undefined ? 'The bot did not answer with JSON.' : 'The bot answered in an unknown form.',
  })
}

/** Undefined when it is none. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
