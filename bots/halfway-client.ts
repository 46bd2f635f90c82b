/** Calls the server's API of bots. Whatever it answers becomes a value or an AppError. */
import { Agent, fetch, type Response } from 'undici'
import { AppError, ERRORS, type ErrorCode } from '../core/domain/errors.ts'
import type { RequestFile } from '../core/store/request-files.ts'

export interface HalfwayCall {
  method: 'GET' | 'POST' | 'PUT'
  /** Below `/api/bots`, with a slash in front. */
  path: string
  /** X-Attempt. */
  attempt?: number
  /** JSON. */
  body?: unknown
  /** In place of `body`. */
  file?: Pick<RequestFile, 'type' | 'bytes'>
  /** How long the server may wait before it answers. */
  waitSeconds?: number
  signal?: AbortSignal
}

export interface HalfwayAnswer {
  /** The JSON of the answer; null where it has none. */
  body: Record<string, unknown> | null
}

export interface HalfwayClient {
  /**
   * @throws AppError with the code of the server's problem; `storage_unavailable` when the server does not answer, or answers
   * that it cannot for the moment; the signal's reason
   */
  call(call: HalfwayCall): Promise<HalfwayAnswer>
  /** Aborts all open calls. */
  stop(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 5_000
/** Beside the time that the server waits. */
const ANSWER_TIMEOUT_MS = 10_000
/** A file has up to 5 MB. */
const FILE_TIMEOUT_MS = 60_000

/**
 * @param options.url the server: `http://host:port`
 * @param options.traceparent the header of the active span
 */
export function createHalfwayClient({
  url,
  token,
  traceparent: activeSpan,
}: {
  url: string
  token: string
  traceparent?: () => string | undefined
}): HalfwayClient {
  const agent = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS } })
  const stopping = new AbortController()
  const base = `${url.replace(/\/+$/, '')}/api/bots`

  async function send(
    { method, path, attempt, body, file, waitSeconds = 0 }: HalfwayCall,
    signal: AbortSignal,
  ): Promise<HalfwayAnswer> {
    const separator = path.includes('?') ? '&' : '?'
    const traceparent = activeSpan?.()
    const response = await fetch(
      `${base}${path}${waitSeconds > 0 ? `${separator}wait=${waitSeconds}` : ''}`,
      {
        method,
        signal,
        dispatcher: agent,
        redirect: 'error',
        headers: {
          accept: 'application/json',
          authorization: `Bearer ${token}`,
          ...(attempt !== undefined && { 'x-attempt': String(attempt) }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(file && { 'content-type': file.type }),
          ...(traceparent && { traceparent }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(file && { body: new Uint8Array(file.bytes) }),
      },
    )
    if (response.ok) return { body: response.status === 204 ? null : await readJson(response) }
    throw toError(response.status, await readJson(response).catch(() => null))
  }

  return {
    async call(call) {
      const signals = [stopping.signal, call.signal, timeoutOf(call)]
      const { signal, release } = firstOf(signals.filter((one) => one !== undefined))
      try {
        return await send(call, signal)
      } catch (error) {
        call.signal?.throwIfAborted()
        if (stopping.signal.aborted) throw new Error('It was stopped.')
        if (error instanceof AppError) throw error
        throw new AppError('storage_unavailable', { detail: `${url} does not answer.`, cause: error })
      } finally {
        release()
      }
    },
    async stop() {
      stopping.abort()
      await agent.destroy()
    },
  }
}

const timeoutOf = ({ waitSeconds = 0, file }: HalfwayCall): AbortSignal =>
  AbortSignal.timeout(waitSeconds * 1000 + (file ? FILE_TIMEOUT_MS : ANSWER_TIMEOUT_MS))

/** As AbortSignal.any, but leaves nothing at signals that live long. */
function firstOf(signals: readonly AbortSignal[]): { signal: AbortSignal; release(): void } {
  const first = new AbortController()
  const abort = (): void => first.abort()
  for (const one of signals) one.addEventListener('abort', abort)
  if (signals.some(({ aborted }) => aborted)) abort()
  return {
    signal: first.signal,
    release() {
      for (const one of signals) one.removeEventListener('abort', abort)
    },
  }
}

async function readJson(response: Response): Promise<Record<string, unknown> | null> {
  const value: unknown = await response.json()
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
}

function toError(status: number, problem: Record<string, unknown> | null): AppError {
  const { code, detail, errors } = problem ?? {}
  // A proxy in front of the server, whose answer has no code, answers while the server restarts.
  if (typeof code !== 'string' || !Object.hasOwn(ERRORS, code))
    return status >= 500
      ? new AppError('storage_unavailable', { detail: `The server answered ${status}.` })
      : new AppError('internal_error', { detail: `The server answered ${status}.` })
  return new AppError(code as ErrorCode, { detail: detailOf(detail, errors) })
}

/** With every field that was wrong. */
function detailOf(detail: unknown, errors: unknown): string | undefined {
  const messages = (Array.isArray(errors) ? errors : []).map((error) => {
    const [field, message] = [String(error?.field), String(error?.message)]
    return message.startsWith(field) ? message : `${field}: ${message}`
  })
  const parts = [...(typeof detail === 'string' ? [detail] : []), ...messages]
  return parts.length > 0 ? parts.join(' ') : undefined
}
