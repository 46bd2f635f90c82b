/** When an attempt must stop: its request ended, its time is over, a newer attempt took over, or the worker stops. */
import { AppError } from '../core/domain/errors.ts'
import { isFinal, type PublicView, type RequestRecord } from '../core/domain/record.ts'
import { createPausableTimeout } from './pausable-timeout.ts'

export interface AttemptSignal {
  readonly signal: AbortSignal
  /** To be called with each state of the request. */
  onUpdate(view: Pick<PublicView, 'status' | 'attempt'>): void
  onExpired(): void
  /** Ends the timeout. */
  stop(): void
}

export interface WorkerSignals {
  /** Aborts when the worker accepts no further jobs. */
  closing: AbortSignal
  /** Aborts when the worker stops. */
  stopping: AbortSignal
}

/** Made once: every attempt ends with the first one, and the stack of an error costs more than the rest of it. */
const ALREADY_FINAL = new AppError('already_final')
const STALE_ATTEMPT = new AppError('stale_attempt')

/** @param keepsSession whether the bot keeps its session while the request waits for a code and no call is open */
export function createAttemptSignal(
  record: Pick<RequestRecord, 'attempt' | 'deadline_at'>,
  { closing, stopping, keepsSession, now }: WorkerSignals & { keepsSession: boolean; now: number },
): AttemptSignal {
  const abort = new AbortController()
  const timeout = createPausableTimeout(remainingMs(record, now), () =>
    abort.abort(new AppError('timed_out')),
  )
  let isWaiting = false
  const onStopping = (): void => abort.abort(stopping.reason)
  // The attempt goes on at another worker.
  const onClosing = (): void => {
    if (isWaiting && keepsSession) abort.abort(closing.reason)
  }
  if (stopping.aborted) onStopping()
  stopping.addEventListener('abort', onStopping)
  closing.addEventListener('abort', onClosing)

  return {
    signal: abort.signal,
    onUpdate({ status, attempt }) {
      if (isFinal(status)) abort.abort(ALREADY_FINAL)
      else if (attempt > record.attempt) abort.abort(STALE_ATTEMPT)
      isWaiting = status === 'otp_required'
      if (isWaiting) timeout.pause()
      else timeout.resume()
      if (closing.aborted) onClosing()
    },
    onExpired: () => abort.abort(new AppError('request_expired')),
    stop() {
      timeout.stop()
      stopping.removeEventListener('abort', onStopping)
      closing.removeEventListener('abort', onClosing)
    },
  }
}

/** Time left of the request's limit, which covers all its attempts. */
const remainingMs = ({ deadline_at }: Pick<RequestRecord, 'deadline_at'>, now: number): number =>
  deadline_at === null ? 300_000 : Math.max(0, Date.parse(deadline_at) - now)
