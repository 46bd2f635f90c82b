/**
 * What is running at the bots: one run a request hash, however often it is called. A run reports through the updater,
 * bound to the newest attempt that called for it, and is aborted when the request ends or its last caller hangs up.
 * A run that answers that a code was sent is over; the call that brings the code goes on where it left off.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { commonMessage } from '../../core/domain/common-messages.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { Log } from '../../core/runtime/log.ts'
import { isUnavailable, retryUnavailable } from '../../core/store/retry-unavailable.ts'
import type { Concurrency } from '../../core/tasks/task-runner.ts'
import { BotFailure } from '../bot-failure.ts'
import type { Updater } from '../updater.ts'
import { type BotAnswer, codeSent, failed, succeeded } from './bot-responses.ts'
import type { BotRequest, Handle } from './bot-service.ts'
import { createParallel } from './parallel.ts'
import { createAwaitedCodes } from './pending-otp-sessions.ts'
import { isFresh, isRejection, isSmsSent, type SmsSent, sessionLost } from './sms-sent.ts'
import { createUnstoredResults } from './unstored-results.ts'

interface Call {
  slug: string
  hash: string
  /** Which attempt calls, X-Attempt; null takes the one in the record. */
  attempt: number | null
  data: Record<string, string>
  /** The code that an earlier answer asked for. */
  otp?: string
  /** Aborts when this caller hangs up. */
  caller: AbortSignal
}

interface Run {
  attempt: number
  otp: string | undefined
  callers: number
  abort: AbortController
  answer: Promise<BotAnswer>
}

export interface RunRegistry {
  /** The slugs that can be run. */
  readonly services: string[]
  readonly size: number
  /** How many codes are being waited for with no call open. */
  readonly awaited: number
  /** Resolves with the answer for the caller; never rejects. */
  run(call: Call): Promise<BotAnswer>
  /** No call is taken any more. */
  readonly stopping: boolean
  /** Lets what is running finish for a while, aborts what takes longer, and waits until it has stopped. */
  stop(): Promise<void>
}

export function createRuns({
  updater,
  handlers,
  concurrency,
  log,
  drainMs = 0,
  awaitedLifeMs,
}: {
  updater: Updater
  handlers: ReadonlyMap<string, Handle>
  /** Where their tasks run. */
  concurrency: Concurrency
  log: Log
  /** How long what is running may go on once it is told to stop. */
  drainMs?: number
  /** How long a handler that has had a code sent is kept for the call that brings it. */
  awaitedLifeMs?: number
}): RunRegistry {
  const running = new Map<string, Run>()
  const awaitedCodes = createAwaitedCodes({ updater, lifeMs: awaitedLifeMs })
  const unstoredResults = createUnstoredResults()
  let stopping = false

  async function run(call: Call): Promise<BotAnswer> {
    const { hash } = call
    for (;;) {
      if (stopping) return failed(stoppingError())
      const present = running.get(hash)
      if (!present) return attachCaller(startRun(call), call.caller)
      if (!present.abort.signal.aborted && (call.otp === undefined || call.otp === present.otp)) {
        present.attempt = Math.max(present.attempt, call.attempt ?? 0)
        const answer = await attachCaller(present, call.caller)
        // Who brought no code is not told that it was wrong, but that one was sent.
        if (call.otp !== undefined || !isRejection(answer) || call.caller.aborted) return answer
      }
      // An aborted run is still putting its things away: the work must not be there twice. Nor must a code get lost
      // that comes while something else is done.
      else await present.answer
    }
  }

  /** A caller that hangs up takes the run with it, unless another one waits too. */
  async function attachCaller(current: Run, caller: AbortSignal): Promise<BotAnswer> {
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

  function startRun(call: Call): Run {
    const current: Run = {
      attempt: call.attempt ?? 0,
      otp: call.otp,
      callers: 0,
      abort: new AbortController(),
      answer: Promise.resolve(failed(null)),
    }
    running.set(call.hash, current)
    current.answer = executeRun(call, current)
      .catch(failed)
      .finally(() => running.delete(call.hash))
    return current
  }

  async function executeRun({ slug, hash, attempt, data, otp }: Call, current: Run): Promise<BotAnswer> {
    const { signal } = current.abort
    const record = await retryUnavailable(() => updater.read(hash), { signal })
    if (!record) throw new AppError('request_not_found', { detail: 'The request is gone.' })
    if (record.status === 'completed') return succeeded(record.result_data)
    if (attempt === null) current.attempt = Math.max(current.attempt, record.attempt)

    const runLog = log.child({ hash, service: slug, attempt: current.attempt })
    const watch = () =>
      updater.onEnd(
        hash,
        () => current.attempt,
        (why) => current.abort.abort(new AppError(why)),
      )
    const stopWatching = await retryUnavailable(watch, { signal })
    let left: SmsSent | undefined
    try {
      signal.throwIfAborted()
      const bound = updater.bind(hash, () => current.attempt, signal)
      const { markAsCompleted, markAsFailed: _worker, ...reports } = bound
      const request: BotRequest = {
        ...reports, hash, signal, log: runLog,
        waitForOtp: (options) => reports.waitForOtp({ signal, ...options }),
        parallel: createParallel({ concurrency, signal, updateProgress: reports.updateProgress }),
      } // biome-ignore format: what a handler is given
      const unstored = unstoredResults.take(hash)
      if (!unstored) left = awaitedCodes.take(hash)
      // Nobody asked for another code: that it was sent got lost on its way to the person.
      const repeats = left && otp === undefined && record.status !== 'otp_required' && isFresh(left)
      runLog.info(unstored || repeats ? 'run repeats its last answer' : 'run started')
      const beginAnew = () => (handlers.get(slug) as Handle)(data, request)
      const result =
        unstored ? unstored.result
        : repeats ? left
        : await dispatchCall(left, otp, request, beginAnew) // biome-ignore format: a table
      // Work that is done counts, also when nobody waits for it any more: the record says whether it is still wanted.
      if (isSmsSent(result)) {
        await awaitedCodes.keep(hash, result)
        signal.throwIfAborted()
        runLog.info('run waits to be called with the code')
        return codeSent(result)
      }
      // From here on the record itself says what still counts: our own last write must not look like somebody else's.
      stopWatching()
      await store(hash, result, markAsCompleted)
      runLog.info('run completed')
      return succeeded(result)
    } catch (error) {
      const cause = signal.aborted ? signal.reason : error
      if (left && isRejection(cause)) await awaitedCodes.keep(hash, left)
      const known = cause instanceof BotFailure || cause instanceof AppError
      runLog[known ? 'info' : 'error'](
        known ? { reason: cause.code } : { where: stackWithoutMessage(cause) },
        'run ended without a result',
      )
      throw cause
    } finally {
      stopWatching()
    }
  }

  /** What cannot be stored now is left to the worker that hears of it, or to the attempt that calls again. */
  async function store(hash: string, result: unknown, markAsCompleted: (result: unknown) => Promise<void>) {
    try {
      await markAsCompleted(result)
    } catch (error) {
      const isStale = error instanceof AppError && error.code === 'stale_attempt'
      if (isStale || isUnavailable(error)) unstoredResults.keep(hash, result)
      if (!isUnavailable(error)) throw error
    }
  }

  return {
    services: [...handlers.keys()],
    get size() {
      return running.size
    },
    get awaited() {
      return awaitedCodes.size
    },
    get stopping() {
      return stopping
    },
    run,
    async stop() {
      stopping = true
      const patience = new AbortController()
      const answers = Promise.allSettled([...running.values()].map(({ answer }) => answer))
      const late = sleep(drainMs, undefined, { signal: patience.signal }).then(
        () => running.forEach(({ abort }) => void abort.abort(stoppingError())),
        () => {},
      )
      await answers
      patience.abort()
      await late
      awaitedCodes.stop()
      unstoredResults.stop()
    },
  }
}

const stoppingError = (): BotFailure =>
  new BotFailure('bot_stopping', commonMessage('bot_stopping'), { retryable: true })

/** What this call is about: the first one, the one with the code, or the one for another code. */
function dispatchCall(
  left: SmsSent | undefined,
  otp: string | undefined,
  request: BotRequest,
  beginAnew: () => Promise<unknown>,
): Promise<unknown> {
  if (otp === undefined) return left ? left.resend(request) : beginAnew()
  if (!left) throw sessionLost()
  return left.verify(otp, request)
}

/** An unforeseen error for the log: its kind and where it came from. Its text may hold what a person typed. */
function stackWithoutMessage(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const frames = (error.stack ?? '').split('\n').filter((line) => /^ {4}at /.test(line))
  return [error.constructor.name, ...frames].join('\n')
}
