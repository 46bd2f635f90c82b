/** A bot's reports on one request over HTTP. */
import { isUnstorableResult, unstorableFailure } from '../core/actions/bot-reports.ts'
import { type LocalizedMessage, toLocalizedMessage } from '../core/domain/message.ts'
import type { Log } from '../core/runtime/log.ts'
import { type StoredFile, toRequestFile } from '../core/store/request-files.ts'
import { checkResult } from '../core/store/request-store.ts'
import { isUnavailable, retryUnavailable } from '../core/store/storage-errors.ts'
import { type Ask, createAsk } from './ask.ts'
import type { HalfwayAnswer } from './halfway-client.ts'
import { createHttpAnswers } from './http-answers.ts'
import type { RequestCalls } from './request-calls.ts'
import {
  type BindUpdater,
  createFirstAttempt,
  dropUnavailable,
  type RequestUpdater,
  toPartialMessage,
} from './request-updater.ts'
import type { RequestState } from './updater-interface.ts'

/** What the server accepts, and what a record keeps. */
const MAX_MESSAGE = 2000
const MAX_PROMPT_MESSAGE = 500

/** @param isApplied whether the state of the request shows that the report was applied */
type Report = (
  what: string,
  body: unknown,
  isApplied: (state: RequestState) => boolean,
) => Promise<HalfwayAnswer['body']>

export function createHttpBind({ calls, log }: { calls: RequestCalls; log: Log }): BindUpdater {
  return (hash, givenAttempt, signal) => {
    const firstAttempt = createFirstAttempt(async () => (await calls.state(hash))?.attempt, hash)
    const attemptOf = async (): Promise<number> =>
      givenAttempt?.() ?? retryUnavailable(firstAttempt, { signal })
    const answers = createHttpAnswers()
    const report = createReport({ calls, hash, attemptOf, signal })
    const methods: Omit<RequestUpdater, keyof Ask> = {
      async updateProgress(progress, step, message, parts) {
        try {
          const attempt = givenAttempt?.() ?? (await firstAttempt())
          const finite = Number.isFinite(progress) ? progress : 0
          const body = { progress: finite, step, parts, ...shortened(toPartialMessage(message)) }
          await calls.post(hash, 'progress', attempt, body)
        } catch (error) {
          dropUnavailable(error, { log, hash, what: 'progress update' })
        }
      },
      async heartbeat() {
        try {
          await calls.post(hash, 'heartbeat', givenAttempt?.() ?? (await firstAttempt()))
        } catch (error) {
          dropUnavailable(error, { log, hash, what: 'heartbeat' })
        }
      },
      async addFile(given) {
        const file = toRequestFile(given)
        const attempt = await attemptOf()
        const { body } = await retryUnavailable(() => calls.addFile(hash, attempt, file), { signal })
        return body as unknown as StoredFile
      },
      async markAsOtpRequired(otp = {}) {
        const body = { ...otp, ...shortened(otp, MAX_PROMPT_MESSAGE) }
        answers.asked(await report('ask', body, () => false))
      },
      waitForOtp: (options) =>
        answers.wait(async (query, waitSeconds) => {
          const attempt = await attemptOf()
          const poll = { attempt, waitSeconds, signal: options?.signal }
          return (await calls.poll(hash, `answer${query}`, poll)).body
        }, options),
      async rejectOtp(message) {
        const isApplied = ({ status }: RequestState): boolean =>
          status === 'otp_required' || status === 'failed'
        const answer = await report('reject', shortened(toPartialMessage(message)), isApplied)
        return (answer?.asks_again ?? answer?.status === 'otp_required') === true
      },
      async markAsCompleted(result) {
        try {
          checkResult(result)
        } catch (error) {
          if (isUnstorableResult(error)) await report('fail', unstorableFailure(error), isFailed)
          throw error
        }
        await report('complete', { result: result ?? null }, ({ status }) => status === 'completed')
      },
      async markAsFailed(reason, { code = 'failed', retryable = false } = {}) {
        const body = { ...shortened(toLocalizedMessage(reason)), code, retryable }
        await report('fail', body, isFailed)
      },
    }
    return { ...methods, ...createAsk(methods) }
  }
}

const isFailed = ({ status }: RequestState): boolean => status === 'failed'

function shortened<M extends Partial<LocalizedMessage>>(message: M, max = MAX_MESSAGE): M {
  return message.message === undefined ? message : { ...message, message: message.message.slice(0, max) }
}

/**
 * Repeats a report until the server has it. Where only the answer was lost, the server had it the first time and refuses the
 * repetition: then the state of the request is the answer.
 */
function createReport({
  calls,
  hash,
  attemptOf,
  signal,
}: {
  calls: RequestCalls
  hash: string
  attemptOf: () => Promise<number>
  signal: AbortSignal | undefined
}): Report {
  return async (what, body, isApplied) => {
    const attempt = await attemptOf()
    let tries = 0
    const send = (): Promise<HalfwayAnswer> => {
      tries++
      return calls.post(hash, what, attempt, body)
    }
    try {
      return (await retryUnavailable(send, { signal })).body
    } catch (error) {
      if (tries === 1 || isUnavailable(error)) throw error
      const state = await retryUnavailable(() => calls.state(hash), { signal })
      if (state?.attempt !== attempt || !isApplied(state)) throw error
      return { status: state.status }
    }
  }
}
