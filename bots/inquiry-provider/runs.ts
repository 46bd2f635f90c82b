/**
 * What is running at the bots: one run a request hash, however often it is called. A run reports through the updater,
 * bound to the newest attempt that called for it, and is aborted when the request ends or its last caller hangs up.
 */
import { AppError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { BotFailure } from '../bot-failure.ts'
import type { Updater } from '../updater.ts'
import type { BotRequest, Handle } from './bot-service.ts'

export type BotAnswer =
  | { status: 'success'; code: string; message: string; data: unknown }
  | { status: 'error'; code: string; message: string; retryable: boolean }

interface Call {
  slug: string
  hash: string
  /** Which attempt calls, X-Attempt; null takes the one in the record. */
  attempt: number | null
  data: Record<string, string>
  /** Aborts when this caller hangs up. */
  caller: AbortSignal
}

interface Run {
  attempt: number
  callers: number
  abort: AbortController
  answer: Promise<BotAnswer>
}

export interface Runs {
  /** The slugs that can be run. */
  readonly services: string[]
  readonly size: number
  /** Resolves with the answer for the caller; never rejects. */
  run(call: Call): Promise<BotAnswer>
  /** Aborts everything and waits until it has stopped. */
  stop(): Promise<void>
}

export function createRuns({
  updater,
  handlers,
  log,
}: {
  updater: Updater
  handlers: ReadonlyMap<string, Handle>
  log: Log
}): Runs {
  const running = new Map<string, Run>()
  let stopping = false

  async function run(call: Call): Promise<BotAnswer> {
    const { hash } = call
    for (;;) {
      if (stopping)
        return failed(new BotFailure('bot_stopping', 'The bot server is stopping.', { retryable: true }))
      const present = running.get(hash)
      if (!present) return follow(begin(call), call.caller)
      if (!present.abort.signal.aborted) {
        present.attempt = Math.max(present.attempt, call.attempt ?? 0)
        return follow(present, call.caller)
      }
      // An aborted run is still putting its things away: the work must not be there twice.
      await present.answer
    }
  }

  /** A caller that hangs up takes the run with it, unless another one waits too. */
  async function follow(current: Run, caller: AbortSignal): Promise<BotAnswer> {
    current.callers++
    const leave = (): void => {
      current.callers--
      if (current.callers === 0) current.abort.abort(caller.reason)
    }
    if (caller.aborted) leave()
    else caller.addEventListener('abort', leave, { once: true })
    try {
      return await current.answer
    } finally {
      caller.removeEventListener('abort', leave)
    }
  }

  function begin(call: Call): Run {
    const current: Run = {
      attempt: call.attempt ?? 0,
      callers: 0,
      abort: new AbortController(),
      answer: Promise.resolve(failed(null)),
    }
    running.set(call.hash, current)
    current.answer = work(call, current)
      .catch(failed)
      .finally(() => running.delete(call.hash))
    return current
  }

  async function work({ slug, hash, attempt, data }: Call, current: Run): Promise<BotAnswer> {
    const record = await updater.read(hash)
    if (!record) throw new AppError('request_not_found', { detail: 'The request is gone.' })
    if (record.status === 'completed') return succeeded(record.result_data)
    if (attempt === null) current.attempt = Math.max(current.attempt, record.attempt)

    const runLog = log.child({ hash, service: slug, attempt: current.attempt })
    const { signal } = current.abort
    const stopWatching = await updater.onEnd(
      hash,
      () => current.attempt,
      (why) => current.abort.abort(new AppError(why)),
    )
    try {
      signal.throwIfAborted()
      const { markAsCompleted, markAsFailed: _worker, ...reports } = updater.bind(hash, () => current.attempt)
      const request: BotRequest = {
        ...reports, hash, signal, log: runLog,
        waitForOtp: (options) => reports.waitForOtp({ signal, ...options }),
      } // biome-ignore format: what a handler is given
      runLog.info('run started')
      const result = await (handlers.get(slug) as Handle)(data, request)
      signal.throwIfAborted()
      // From here on the record itself says what still counts: our own last write must not look like somebody else's.
      stopWatching()
      await markAsCompleted(result)
      runLog.info('run completed')
      return succeeded(result)
    } catch (error) {
      const cause = signal.aborted ? signal.reason : error
      const known = cause instanceof BotFailure || cause instanceof AppError
      runLog[known ? 'info' : 'error'](
        known ? { reason: cause.code } : { err: cause },
        'run ended without a result',
      )
      throw cause
    } finally {
      stopWatching()
    }
  }

  return {
    services: [...handlers.keys()],
    get size() {
      return running.size
    },
    run,
    async stop() {
      stopping = true
      const reason = new BotFailure('bot_stopping', 'The bot server is stopping.', { retryable: true })
      for (const { abort } of running.values()) abort.abort(reason)
      await Promise.allSettled([...running.values()].map(({ answer }) => answer))
    },
  }
}

const succeeded = (data: unknown): BotAnswer => ({
  status: 'success',
  code: 'COMPLETED',
  message: 'Done.',
  data: data ?? null,
})

/** What a handler threw, as the worker will read it. An unforeseen error keeps its text to itself: it may hold data. */
function failed(error: unknown): BotAnswer {
  if (error instanceof BotFailure)
    return { status: 'error', code: error.code, message: error.message, retryable: error.retryable }
  if (error instanceof AppError)
    return { status: 'error', code: error.code, message: error.message, retryable: error.retryable }
  return {
    status: 'error',
    code: 'bot_crashed',
    message: 'The bot stumbled over something unforeseen.',
    retryable: true,
  }
}
