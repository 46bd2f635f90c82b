/**
 * The running calls of handlers: one run for each request hash, however often it is called. A run reports for the newest
 * attempt that called for it, and is aborted when the request ends or its last caller disconnects. A run that answers
 * SMS_SENT is over; the call with the code resumes its session.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { commonMessage } from '../../core/domain/common-messages.ts'
import type { Log } from '../../core/runtime/log.ts'
import type { Tracing } from '../../core/runtime/tracing.ts'
import type { Concurrency } from '../../core/tasks/task-runner.ts'
import { BotFailure } from '../bot-failure.ts'
import type { Updater } from '../updater.ts'
import { type BotResponse, errorResponse } from './bot-responses.ts'
import type { Handle } from './define-service.ts'
import { createPendingOtpSessions } from './pending-otp-sessions.ts'
import { createRunExecutor, type IncomingCall, type Run } from './run-executor.ts'
import { traceRuns } from './run-traces.ts'
import { isCodeRejection, sessionLost } from './sms-sent.ts'
import { createUnstoredResults } from './unstored-results.ts'

interface ConnectedCall extends IncomingCall {
  /** Aborts when this caller disconnects. */
  caller: AbortSignal
}

interface ActiveRun extends Run {
  otp: string | undefined
  callers: number
  answer: Promise<BotResponse>
}

export interface RunRegistry {
  /** The slugs of all services. */
  readonly services: string[]
  readonly size: number
  /** How many sessions wait for a code while no call is open. */
  readonly pendingOtpSessions: number
  /** Resolves with the answer for the caller; never rejects. */
  run(call: ConnectedCall): Promise<BotResponse>
  /** No call is accepted any more. */
  readonly isStopping: boolean
  /**
   * Accepts only calls of requests that it runs or keeps a session of. Waits until these have ended, for `drainMs` at most,
   * then aborts them.
   */
  stop(): Promise<void>
}

export interface RunRegistryOptions {
  updater: Updater
  handlers: ReadonlyMap<string, Handle>
  /** In development: the step ids of each service, which fails a run that reports another one. */
  steps?: ReadonlyMap<string, ReadonlySet<string>>
  /** Runs the tasks of the handlers. */
  concurrency: Concurrency
  log: Log
  tracing?: Tracing
  /** How long runs may continue after `stop`. */
  drainMs?: number
  /** How long the session of a handler that answered SMS_SENT is kept. */
  otpSessionLifeMs?: number
}

const DRAIN_CHECK_MS = 50

export function createRunRegistry(options: RunRegistryOptions): RunRegistry {
  const { updater, handlers, drainMs = 0 } = options
  const running = new Map<string, ActiveRun>()
  const otpSessions = createPendingOtpSessions({ updater, lifeMs: options.otpSessionLifeMs })
  const unstoredResults = createUnstoredResults()
  const execute = traceRuns(createRunExecutor({ ...options, otpSessions, unstoredResults }), options.tracing)
  let isStopping = false

  async function run(call: ConnectedCall): Promise<BotResponse> {
    const { hash } = call
    for (;;) {
      const present = running.get(hash)
      // While it drains, work that was started may end.
      if (isStopping && !present && !otpSessions.has(hash)) return errorResponse(stoppingError())
      if (!present && call.isResumed && !otpSessions.has(hash)) return errorResponse(sessionLost())
      if (!present) return attachCaller(startRun(call), call.caller)
      if (!present.abort.signal.aborted && (call.otp === undefined || call.otp === present.otp)) {
        present.attempt = Math.max(present.attempt, call.attempt ?? 0)
        const answer = await attachCaller(present, call.caller)
        // A call without a code is not answered that the code was wrong. It runs again, which answers SMS_SENT.
        if (call.otp !== undefined || !isCodeRejection(answer) || call.caller.aborted) return answer
      }
      // An aborted run is still cleaning up: the same work must not run twice. And a code that arrives during other work
      // must not get lost.
      else await present.answer
    }
  }

  function startRun(call: IncomingCall): ActiveRun {
    const current: ActiveRun = {
      attempt: call.attempt ?? 0,
      otp: call.otp,
      callers: 0,
      hasAsked: false,
      abort: new AbortController(),
      answer: Promise.resolve(errorResponse(null)),
    }
    running.set(call.hash, current)
    current.answer = execute(call, current)
      .catch(errorResponse)
      .finally(() => running.delete(call.hash))
    return current
  }

  return {
    services: [...handlers.keys()],
    get size() {
      return running.size
    },
    get pendingOtpSessions() {
      return otpSessions.size
    },
    get isStopping() {
      return isStopping
    },
    run,
    async stop() {
      isStopping = true
      const until = performance.now() + drainMs
      const isOver = (): boolean => running.size === 0 && otpSessions.size === 0
      while (!isOver() && performance.now() < until) await sleep(DRAIN_CHECK_MS)
      running.forEach(({ abort }) => void abort.abort(stoppingError()))
      await Promise.allSettled([...running.values()].map(({ answer }) => answer))
      otpSessions.stop()
      unstoredResults.stop()
    },
  }
}

/** How long a run that has asked the submitter is kept without a caller: another worker takes over within this time. */
const KEEP_WAITING_MS = 60_000

/**
 * A caller that disconnects aborts the run, unless another caller waits for it too. A run that has asked the
 * submitter is kept for the next worker.
 */
async function attachCaller(current: ActiveRun, caller: AbortSignal): Promise<BotResponse> {
  current.callers++
  const leave = (): void => {
    current.callers--
    const abortUnlessCalled = (): void => {
      if (current.callers === 0) current.abort.abort(caller.reason)
    }
    if (current.hasAsked) setTimeout(abortUnlessCalled, KEEP_WAITING_MS).unref()
    else abortUnlessCalled()
  }
  if (caller.aborted) leave()
  else caller.addEventListener('abort', leave, { once: true })
  try {
    return await current.answer
  } finally {
    caller.removeEventListener('abort', leave)
  }
}

const stoppingError = (): BotFailure =>
  new BotFailure('bot_stopping', commonMessage('bot_stopping'), { retryable: true })
