/** Plays the worker: calls the bot, and can close the connection. */
import { Agent, fetch } from 'undici'
import { z } from 'zod'

export interface BotReply {
  /** 0 when there was no whole answer. */
  status: number
  retryAfter: string | null
  /** The JSON of the answer; undefined for anything else. */
  body: unknown
  /** Why there is none: a code such as ECONNREFUSED. */
  error: string | null
  at: number
}

export interface OpenCall {
  readonly reply: Promise<BotReply>
  readonly startedAt: number
  /** @param why for the reply, which is then none */
  close(why?: string): void
}

export interface CallOptions {
  /** Below the bot's address. */
  path: string
  method?: 'GET' | 'POST'
  /** Undefined for a call without one. */
  token?: string
  headers?: Record<string, string>
  /** A string is sent unchanged; any other value as JSON. */
  body?: unknown
}

export interface BotCaller {
  start(options: CallOptions): OpenCall
  stop(): Promise<void>
}

export function createBotCaller(url: string): BotCaller {
  // The bot may think as long as the kit waits; no connection is kept, so that none delays its end.
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, pipelining: 0 })
  return {
    start({ path, method = 'POST', token, headers, body }) {
      const closing = new AbortController()
      const startedAt = performance.now()
      const sent = fetch(url + path, {
        method,
        dispatcher: agent,
        signal: closing.signal,
        redirect: 'error',
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const reply = sent
        .then(async (response) => ({
          status: response.status,
          retryAfter: response.headers.get('retry-after'),
          body: parse(await response.text()),
          error: null,
          at: performance.now(),
        }))
        .catch((error: Error & { cause?: NodeJS.ErrnoException }) => ({
          status: 0,
          retryAfter: null,
          body: undefined,
          error: closing.signal.aborted
            ? String(closing.signal.reason)
            : (error.cause?.code ?? error.cause?.message ?? error.message),
          at: performance.now(),
        }))
      return { reply, startedAt, close: (why = 'the kit closed it') => closing.abort(why) }
    },
    stop: () => agent.destroy(),
  }
}

/** The reply, or none when the time is over. */
export async function replyWithin({ reply, close }: OpenCall, milliseconds: number): Promise<BotReply> {
  const timer = setTimeout(() => close(`none within ${milliseconds / 1000} s`), milliseconds)
  try {
    return await reply
  } finally {
    clearTimeout(timer)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const answerSchema = z.discriminatedUnion('status', [
  z.looseObject({ status: z.literal('success'), code: z.string().optional(), data: z.unknown() }),
  z.looseObject({
    status: z.literal('error'),
    code: z.string().min(1),
    message: z.string().min(1).optional(),
    retryable: z.boolean().optional(),
  }),
])
export type BotMessage = z.infer<typeof answerSchema>

/** @returns the answer as the worker reads it, or why it cannot be read */
export function readReply({ status, body, error }: BotReply): BotMessage | string {
  if (error !== null) return `there was no whole answer (${error})`
  if (body === undefined) return `it answered ${status} without JSON`
  const parsed = answerSchema.safeParse(body)
  return parsed.success
    ? parsed.data
    : `it answered ${status} with JSON in another form than { "status": "success" | "error", "code", … }`
}

/** The code of any JSON answer. */
export function codeIn({ body }: BotReply): string | undefined {
  const { code } = (body ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}

/** For the table: `400 invalid_json`. */
export function describeReply(reply: BotReply): string {
  if (reply.error !== null) return `no answer (${reply.error})`
  return [reply.status, codeIn(reply) ?? ''].join(' ').trim()
}
