/** The calls of the server's API about one request of a bot. */
import { AppError } from '../core/domain/errors.ts'
import type { RequestFile } from '../core/store/request-files.ts'
import type { HalfwayAnswer, HalfwayClient } from './halfway-client.ts'
import type { RequestState } from './updater-interface.ts'

export interface RequestCalls {
  /** Null when the request does not exist any more. */
  state(hash: string): Promise<RequestState | null>
  /** @param body left out, the call has none */
  post(hash: string, what: string, attempt: number, body?: unknown): Promise<HalfwayAnswer>
  addFile(hash: string, attempt: number, file: RequestFile): Promise<HalfwayAnswer>
  /** A long poll. */
  poll(
    hash: string,
    what: string,
    options: { attempt: number; waitSeconds: number; signal?: AbortSignal },
  ): Promise<HalfwayAnswer>
}

/** The highest that the server accepts: it is never out of date. */
const MAX_ATTEMPT = 999_999_999

export function createRequestCalls(client: HalfwayClient): RequestCalls {
  const pathOf = (hash: string): string => `/requests/${encodeURIComponent(hash)}`
  return {
    async state(hash) {
      try {
        return (await client.call({ method: 'GET', path: pathOf(hash) })).body as unknown as RequestState
      } catch (error) {
        if (isMissing(error)) return null
        throw error
      }
    },
    post: (hash, what, attempt, body) =>
      client.call({ method: 'POST', path: `${pathOf(hash)}/${what}`, attempt, body }),
    addFile: (hash, attempt, { name, ...file }) =>
      client.call({
        method: 'POST',
        path: `${pathOf(hash)}/files?name=${encodeURIComponent(name)}`,
        attempt,
        file,
      }),
    poll: (hash, what, { attempt, waitSeconds, signal }) =>
      client.call({
        method: 'GET',
        path: `${pathOf(hash)}/${what}`,
        attempt: Math.min(attempt, MAX_ATTEMPT),
        waitSeconds,
        signal,
      }),
  }
}

export const isMissing = (error: unknown): boolean =>
  error instanceof AppError && (error.code === 'request_not_found' || error.code === 'request_expired')
