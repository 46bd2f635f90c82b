/** Calls a bot over HTTP and parses its answer. Whatever a bot answers becomes a `BotAnswer` or an `AppError`. */
import { Agent, buildConnector, fetch, type Response } from 'undici'
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
    })
    .transform((answer) => (answer.message ? answer : { ...answer, ...commonMessage('no_reason') })),
])
type ParsedAnswer = z.infer<typeof answerSchema>
type Success = Extract<ParsedAnswer, { status: 'success' }>
export type BotAnswer =
  | Exclude<ParsedAnswer, Success>
  /** The question of an answer `SMS_SENT`. */
  | (Omit<Success, 'otp_data'> & { otp_data?: AskedQuestion })

export interface BotCall {
  /** Where the bot is: `http://host:port`. */
  url: string
  token: string
  slug: string
  hash: string
  attempt: number
  requestData: Record<string, unknown>
  /** The code, for a bot that answered `SMS_SENT` before. */
  otp?: string
  /** The attempt was started before: the bot joins the call to what it runs, or answers `session_lost`. */
  isResumed?: boolean
  /** Aborting it closes the connection, by which the bot knows that it should stop. */
  signal: AbortSignal
}

/** The call did not reach the bot, or the bot wants it later: it started no work, so no attempt is used up. */
export class BotNotReached extends AppError {}

export interface BotClient {
  /**
   * @throws BotNotReached `bot_unavailable`, `bot_busy`, `bot_stopping` (with `retryAfterSeconds` if the bot sent it),
   * `unknown_service` (another bot may know it)
   * @throws AppError `bot_unavailable`, `bot_unauthorized`, `bot_bad_answer`; the signal's reason when aborted
   */
  call(call: BotCall): Promise<BotAnswer>
  stop(): Promise<void>
}

/** Fits the largest result and the JSON around it. */
const MAX_ANSWER_BYTES = 1024 * 1024

/** A reused connection that the bot has closed fails within this time. */
const STALE_WITHIN_MS = 1_000

export function createBotClient(): BotClient {
  // The caller's signal is the only timeout: undici's own 300 s would abort a bot that waits for a code.
  const options = {
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: markReused(buildConnector({ timeout: 5000 })),
  }
  const agent = new Agent(options)
  /** Opens a connection for each call. */
  const unpooled = new Agent({ ...options, pipelining: 0 })

  function send(
    { url, token, slug, hash, attempt, requestData, otp, isResumed = false, signal }: BotCall,
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
        ...(isResumed && { 'x-resume': 'true' }),
      },
      body: JSON.stringify({ ...requestData, requestHash: hash, ...(otp !== undefined && { otp }) }),
    })
  }

  /** A bot may close an idle connection at the moment it is reused. Sending again is safe: the Idempotency-Key is the same. */
  async function sendWithRetry(call: BotCall): Promise<Response> {
    // Behind a load balancer, the pooled connection may lead to the same bot that did not know the service.
    if (call.attempt > 1) return send(call, unpooled)
    const startedAt = performance.now()
    try {
      return await send(call, agent)
    } catch (error) {
      call.signal.throwIfAborted()
      if (!wasReused(error) || performance.now() - startedAt > STALE_WITHIN_MS) throw error
      return send(call, unpooled)
    }
  }

  return {
    async call(call) {
      const { signal } = call
      try {
        const response = await sendWithRetry(call)
        if (response.status === 401 || response.status === 403) {
          // An unread body would keep its connection busy.
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
      await Promise.all([agent.destroy(), unpooled.destroy()])
    },
  }
}

const reusedConnections = new WeakSet<Error>()

/** Marks the errors of connections that had received an answer before. */
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

/** Whether the call failed on a connection that had received an answer before. */
function wasReused(error: unknown): boolean {
  const { cause } = error as { cause?: Error & { socket?: { bytesRead?: number } } }
  return cause !== undefined && (reusedConnections.has(cause) || (cause.socket?.bytesRead ?? 0) > 0)
}

/** Whether no connection was established: refused, unknown host, unreachable, or timed out. */
function neverConnected(error: unknown): boolean {
  const { cause } = error as { cause?: NodeJS.ErrnoException & { errors?: NodeJS.ErrnoException[] } }
  // For a host with several addresses there is one error per address.
  const { code, syscall } = cause?.errors?.[0] ?? cause ?? {}
  return syscall === 'connect' || syscall === 'getaddrinfo' || code === 'UND_ERR_CONNECT_TIMEOUT'
}

/** The HTTP status decides the code, except `bot_stopping`; the body only adds the message. */
async function toBusyError(response: Response): Promise<BotNotReached> {
  const body = parseJson(await readText(response).catch(() => ''))
  const answer = answerSchema.safeParse(body).data
  const failure = answer?.status === 'error' ? answer : undefined
  const unavailable = failure?.code === 'bot_stopping' ? 'bot_stopping' : 'bot_unavailable'
  return new BotNotReached(response.status === 429 ? 'bot_busy' : unavailable, {
    detail: failure?.message,
    retryAfterSeconds: parseRetryAfter(response),
  })
}

/** In seconds. A date is relative to the bot's clock, which the `Date` header states. */
function parseRetryAfter({ headers }: Response): number | undefined {
  const text = headers.get('retry-after')?.trim() ?? ''
  if (/^\d+$/.test(text)) return Number(text)
  const botNow = Date.parse(headers.get('date') ?? '')
  const seconds = Math.ceil((Date.parse(text) - (Number.isNaN(botNow) ? Date.now() : botNow)) / 1000)
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_ANSWER_BYTES)
      throw new AppError('bot_bad_answer', {
        detail: `The bot's answer is larger than ${MAX_ANSWER_BYTES} bytes.`,
      })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseAnswer(text: string, status: number): BotAnswer {
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
