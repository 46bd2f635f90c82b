/** Executes one run: calls the handler, or resumes the session it left, and stores the result. */
import type { WaitForOtpOptions } from '../../core/actions/otp-mailbox.ts'
import { AppError } from '../../core/domain/errors.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import type { Log } from '../../core/runtime/log.ts'
import { isUnavailable, retryUnavailable } from '../../core/store/storage-errors.ts'
import type { Concurrency } from '../../core/tasks/task-runner.ts'
import { type Ask, createAsk } from '../ask.ts'
import { BotFailure } from '../bot-failure.ts'
import type { RequestUpdater, Updater } from '../updater.ts'
import type { RequestState } from '../updater-interface.ts'
import { type BotResponse, otpSent, success } from './bot-responses.ts'
import { checkSteps } from './check-steps.ts'
import type { BotRequest, Handle } from './define-service.ts'
import { createMistakeLog, type MistakeLog } from './mistake-log.ts'
import { createParallel } from './parallel.ts'
import type { PendingOtpSessions } from './pending-otp-sessions.ts'
import { isCodeRejection, isFresh, isSmsSent, type SmsSent, sessionLost } from './sms-sent.ts'
import type { UnstoredResults } from './unstored-results.ts'

export interface IncomingCall {
  slug: string
  hash: string
  /** X-Attempt; null for the attempt in the record. */
  attempt: number | null
  data: Record<string, unknown>
  /** The code that an earlier answer asked for. */
  otp?: string
  traceparent?: string
  /** The attempt was started before: another worker has taken it over. */
  isResumed?: boolean
}

export interface Run {
  /** Raised by a newer attempt that calls during the run. */
  attempt: number
  /** Whether the handler has asked the submitter: its session is worth keeping. */
  hasAsked: boolean
  abort: AbortController
}

interface RunExecutorDeps {
  updater: Updater
  handlers: ReadonlyMap<string, Handle>
  /** The step ids of each service; a run that reports another one fails. Left out, it is shown as given. */
  steps?: ReadonlyMap<string, ReadonlySet<string>>
  concurrency: Concurrency
  log: Log
  otpSessions: PendingOtpSessions
  unstoredResults: UnstoredResults
}

/** @returns the function that executes a run. It rejects with whatever ended the run without a result. */
export function createRunExecutor(
  deps: RunExecutorDeps,
): (call: IncomingCall, run: Run) => Promise<BotResponse> {
  const { updater, handlers, log, otpSessions, unstoredResults } = deps
  const mistakes = createMistakeLog(deps)
  return async (call, run) => {
    const { slug, hash } = call
    const { signal } = run.abort
    const record = await retryUnavailable(() => updater.read(hash), { signal })
    if (!record) throw new AppError('request_not_found', { detail: 'The request has expired.' })
    if (record.status === 'completed') return success(record.result_data)
    if (call.attempt === null) run.attempt = Math.max(run.attempt, record.attempt)

    const runLog = log.child({ request: shortReference(hash), service: slug, attempt: run.attempt })
    const stopWatching = await abortOnEnd(updater, hash, run)
    let session: SmsSent | undefined
    try {
      signal.throwIfAborted()
      const { request, markAsCompleted } = toBotRequest(deps, call, run, { log: runLog, mistakes })
      const unstored = unstoredResults.take(hash)
      if (!unstored) session = otpSessions.take(hash)
      const repeated = unstored ?? repeatedAnswer(session, call, record)
      runLog.info(repeated ? 'run repeats its last answer' : 'run started')
      const result = repeated ? repeated.result : await callHandler(handlers, call, session, request)
      // A result counts although the run may be aborted by now: the record decides whether it is still wanted.
      if (isSmsSent(result)) {
        await otpSessions.set(hash, result)
        signal.throwIfAborted()
        runLog.info('run waits to be called with the code')
        return otpSent(result)
      }
      if (result === undefined) mistakes.noResult(slug)
      // The run's own last write must not abort it. From here on the record decides.
      stopWatching()
      await storeResult(unstoredResults, hash, result, markAsCompleted)
      runLog.info('run completed')
      return success(result)
    } catch (error) {
      const cause = signal.aborted ? signal.reason : error
      if (session && isCodeRejection(cause)) await otpSessions.set(hash, session)
      logFailure(runLog, cause)
      throw cause
    } finally {
      stopWatching()
    }
  }
}

/** Aborts the run when its request ends or a newer attempt takes over. */
function abortOnEnd(updater: Updater, hash: string, run: Run): Promise<() => void> {
  const watch = () =>
    updater.onEnd(
      hash,
      () => run.attempt,
      (reason) => run.abort.abort(new AppError(reason)),
    )
  return retryUnavailable(watch, { signal: run.abort.signal })
}

function toBotRequest(
  { updater, concurrency, steps }: RunExecutorDeps,
  { hash, slug }: IncomingCall,
  run: Run,
  { log, mistakes }: { log: Log; mistakes: MistakeLog },
): { request: BotRequest } & Pick<RequestUpdater, 'markAsCompleted'> {
  const { signal } = run.abort
  const bound = updater.bind(hash, () => run.attempt, signal)
  const { markAsCompleted, markAsFailed: _leftToWorker } = bound
  const reports = checkSteps(reportsUntil(signal, bound), slug, steps?.get(slug), (step) =>
    mistakes.unknownStep(slug, step),
  )
  const waiting = {
    ...reports,
    // Before the question is known to anyone: a worker that stops leaves the call in the moment in which it sees it.
    markAsOtpRequired(...question: Parameters<typeof reports.markAsOtpRequired>) {
      run.hasAsked = true
      return reports.markAsOtpRequired(...question)
    },
    waitForOtp(options: WaitForOtpOptions = {}) {
      run.hasAsked = true
      return reports.waitForOtp({ signal, ...options })
    },
  }
  const request: BotRequest = {
    ...waiting,
    ...createAsk(waiting),
    hash,
    get attempt() {
      return run.attempt
    },
    signal,
    log,
    parallel: createParallel({ concurrency, signal, updateProgress: reports.updateProgress }),
  }
  return { request, markAsCompleted }
}

type Reports = Omit<RequestUpdater, 'markAsCompleted' | 'markAsFailed' | keyof Ask>

/** An aborted run reports nothing more: it would ask the submitter for a code that no call waits for. */
function reportsUntil(signal: AbortSignal, reports: Reports): Reports {
  const checked =
    <Args extends unknown[], Answer>(report: (...args: Args) => Promise<Answer>) =>
    async (...args: Args): Promise<Answer> => {
      signal.throwIfAborted()
      return report(...args)
    }
  return {
    updateProgress: checked(reports.updateProgress),
    heartbeat: checked(reports.heartbeat),
    addFile: checked(reports.addFile),
    markAsOtpRequired: checked(reports.markAsOtpRequired),
    waitForOtp: reports.waitForOtp,
    rejectOtp: checked(reports.rejectOtp),
  }
}

/** The first call of a request runs the handler. A call with a code resumes its session; one without resends the code. */
function callHandler(
  handlers: RunExecutorDeps['handlers'],
  { slug, data, otp }: IncomingCall,
  session: SmsSent | undefined,
  request: BotRequest,
): Promise<unknown> {
  if (otp === undefined)
    return session ? session.resend(request) : (handlers.get(slug) as Handle)(data, request)
  if (!session) throw sessionLost()
  return session.verify(otp, request)
}

/** A result that cannot be stored now is answered to the worker, or to the attempt that calls next. */
async function storeResult(
  unstoredResults: UnstoredResults,
  hash: string,
  result: unknown,
  markAsCompleted: RequestUpdater['markAsCompleted'],
): Promise<void> {
  try {
    await markAsCompleted(result)
  } catch (error) {
    const isStale = error instanceof AppError && error.code === 'stale_attempt'
    if (isStale || isUnavailable(error)) unstoredResults.set(hash, result)
    if (!isUnavailable(error)) throw error
  }
}

/** SMS_SENT again, where the last such answer was lost: the code is still valid, and the record does not ask for one yet. */
function repeatedAnswer(
  session: SmsSent | undefined,
  { otp }: IncomingCall,
  { status }: RequestState,
): { result: SmsSent } | undefined {
  const isLost = session && otp === undefined && status !== 'otp_required' && isFresh(session)
  return isLost ? { result: session } : undefined
}

function logFailure(log: Log, cause: unknown): void {
  if (cause instanceof BotFailure || cause instanceof AppError)
    log.info({ reason: cause.code, ...behind(cause) }, 'run ended without a result')
  else log.error({ handler_err: cause }, 'run ended without a result')
}

/** What a handler caught and passed on as the cause of a failure. */
const behind = ({ cause }: Error): { handler_err?: unknown } =>
  cause === undefined ? {} : { handler_err: cause }
