/** Calls a bot over HTTP and parses its answer. Whatever a bot answers becomes a `BotAnswer` or an `AppError`. */
import { Agent, buildConnector, type Dispatcher, request } from 'undici'
import { AppError } from '../core/domain/errors.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import { type BotAnswer, parseAnswer, parseRefusal } from './bot-answer.ts'

export interface BotCall {
  /** Where the bot is: `http://host:port`. */
  url: string
  tokens: readonly string[]
  slug: string
  hash: string
  attempt: number
  requestData: Record<string, unknown>
  /** The code, for a bot that answered `SMS_SENT` before. */
  otp?: string
  /** The attempt was started before: the bot joins the call to what it runs, or answers `session_lost`. */
  isResumed?: boolean
  traceparent?: string
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

type Response = Dispatcher.ResponseData

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
    { url, slug, hash, attempt, requestData, otp, isResumed = false, traceparent, signal }: BotCall,
    token: string,
    dispatcher: Agent,
  ): Promise<Response> {
    return request(`${url.replace(/\/$/, '')}/api/services/${encodeURIComponent(slug)}`, {
      method: 'POST',
      dispatcher,
      signal,
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
        'idempotency-key': hash,
        'x-attempt': String(attempt),
        'x-request-id': shortReference(hash),
        ...(isResumed && { 'x-resume': 'true' }),
        ...(traceparent && { traceparent }),
      },
      body: JSON.stringify({ ...requestData, requestHash: hash, ...(otp !== undefined && { otp }) }),
    })
  }

  /** A bot may close an idle connection at the moment it is reused. Sending again is safe: the Idempotency-Key is the same. */
  async function sendWithRetry(call: BotCall, token: string): Promise<Response> {
    // Behind a load balancer, the pooled connection may lead to the same bot that did not know the service.
    if (call.attempt > 1) return send(call, token, unpooled)
    const startedAt = performance.now()
    try {
      return await send(call, token, agent)
    } catch (error) {
      call.signal.throwIfAborted()
      if (!wasReused(error) || performance.now() - startedAt > STALE_WITHIN_MS) throw error
      return send(call, token, unpooled)
    }
  }

  async function sendWithTokens(call: BotCall): Promise<Response> {
    for (const token of call.tokens) {
      const response = await sendWithRetry(call, token)
      if (response.statusCode !== 401 && response.statusCode !== 403) return response
      // An unread body would keep its connection busy.
      await response.body.dump()
    }
    throw new AppError('bot_unauthorized')
  }

  return {
    async call(call) {
      const { signal } = call
      try {
        const response = await sendWithTokens(call)
        return await readAnswer(response)
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

async function readAnswer(response: Response): Promise<BotAnswer> {
  const { statusCode } = response
  if (statusCode === 429 || statusCode === 503) throw await toBusyError(response)
  if (statusCode >= 300 && statusCode < 400) {
    await response.body.dump()
    throw new AppError('bot_unavailable', { detail: 'The bot answered with a redirect.' })
  }
  const answer = parseAnswer(await readText(response), statusCode)
  if (statusCode === 404 && answer.code === 'unknown_service') throw new BotNotReached('unknown_service')
  return answer
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
  const { socket } = error as { socket?: { bytesRead?: number } }
  return reusedConnections.has(error as Error) || (socket?.bytesRead ?? 0) > 0
}

/** Whether no connection was established: refused, unknown host, unreachable, or timed out. */
function neverConnected(error: unknown): boolean {
  // For a host with several addresses there is one error per address.
  const { errors } = error as { errors?: NodeJS.ErrnoException[] }
  const { code, syscall } = errors?.[0] ?? (error as NodeJS.ErrnoException)
  return syscall === 'connect' || syscall === 'getaddrinfo' || code === 'UND_ERR_CONNECT_TIMEOUT'
}

/** The HTTP status decides the code, except `bot_stopping`; the body only adds the message. */
async function toBusyError(response: Response): Promise<BotNotReached> {
  const failure = parseRefusal(await readText(response).catch(() => ''))
  const unavailable = failure?.code === 'bot_stopping' ? 'bot_stopping' : 'bot_unavailable'
  return new BotNotReached(response.statusCode === 429 ? 'bot_busy' : unavailable, {
    detail: failure?.message,
    retryAfterSeconds: parseRetryAfter(response),
  })
}

/** In seconds. A date is relative to the bot's clock, which the `Date` header states. */
function parseRetryAfter({ headers }: Response): number | undefined {
  const text = String(headers['retry-after'] ?? '').trim()
  if (/^\d+$/.test(text)) return Number(text)
  const botNow = Date.parse(String(headers.date ?? ''))
  const seconds = Math.ceil((Date.parse(text) - (Number.isNaN(botNow) ? Date.now() : botNow)) / 1000)
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    bytes += chunk.byteLength
    if (bytes > MAX_ANSWER_BYTES)
      throw new AppError('bot_bad_answer', {
        detail: `The bot's answer is larger than ${MAX_ANSWER_BYTES} bytes.`,
      })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
