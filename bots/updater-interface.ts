/** What an updater does, over Redis (updater.ts) or over HTTP (http-updater.ts). */
import type { WaitForOtpOptions } from '../core/actions/otp-mailbox.ts'
import type { LocalizedMessage } from '../core/domain/message.ts'
import type { RequestRecord } from '../core/domain/record.ts'
import type { Question } from './ask.ts'
import type { BindUpdater, NewFile, OtpOptions, RequestUpdater, StoredFile } from './request-updater.ts'

export interface Updater {
  updateProgress(hash: string, ...report: Parameters<RequestUpdater['updateProgress']>): Promise<void>
  heartbeat(hash: string): Promise<void>
  addFile(hash: string, file: NewFile): Promise<StoredFile>
  /** Asks the submitter and waits for the answer. */
  ask(hash: string, question: Question): Promise<string>
  markAsOtpRequired(hash: string, otp?: OtpOptions): Promise<void>
  waitForOtp(hash: string, options?: WaitForOtpOptions): Promise<string>
  rejectOtp(hash: string, message?: string | LocalizedMessage): Promise<boolean>
  markAsCompleted(hash: string, result: unknown): Promise<void>
  markAsFailed(
    hash: string,
    message: string | LocalizedMessage,
    error?: { code?: string; retryable?: boolean },
  ): Promise<void>
  /**
   * The same methods bound to one request. `attempt` is read at each write; left out, the attempt at the first write counts.
   * Once `signal` aborts, a write that is refused for the moment is not retried.
   */
  bind: BindUpdater
  /** The state of the request; null when it has expired. */
  read(hash: string): Promise<RequestState | null>
  /**
   * Calls back when this attempt has nothing more to do: its request is final or expired, or a newer attempt has taken
   * over. Resolves with a function that stops watching.
   */
  onEnd(hash: string, attempt: () => number, onEnded: (reason: EndReason) => void): Promise<() => void>
  /** Closes the connections it opened. */
  stop(): Promise<void>
}

export type RequestState = Pick<RequestRecord, 'status' | 'attempt' | 'progress' | 'result_data'>

export type EndReason = 'already_final' | 'request_expired' | 'stale_attempt'

type UnboundMethods = Omit<Updater, 'bind' | 'read' | 'onEnd' | 'stop'>

/** How many requests the unbound methods keep the first attempt of. */
const MAX_UPDATERS = 1000

/** The methods of a program that reports on a request without knowing its attempt. */
export function createUnboundMethods(bind: BindUpdater): UnboundMethods {
  const updaters = new Map<string, RequestUpdater>()

  function updaterOf(hash: string): RequestUpdater {
    const present = updaters.get(hash)
    if (present) return present
    const bound = bind(hash)
    updaters.set(hash, bound)
    if (updaters.size > MAX_UPDATERS) updaters.delete(updaters.keys().next().value as string)
    return bound
  }

  return {
    updateProgress: (hash, ...rest) => updaterOf(hash).updateProgress(...rest),
    heartbeat: (hash) => updaterOf(hash).heartbeat(),
    addFile: (hash, file) => updaterOf(hash).addFile(file),
    ask: (hash, question) => updaterOf(hash).ask(question),
    markAsOtpRequired: (hash, otp) => updaterOf(hash).markAsOtpRequired(otp),
    waitForOtp: (hash, options) => updaterOf(hash).waitForOtp(options),
    rejectOtp: (hash, message) => updaterOf(hash).rejectOtp(message),
    markAsCompleted: (hash, result) => updaterOf(hash).markAsCompleted(result),
    markAsFailed: (hash, message, error) => updaterOf(hash).markAsFailed(message, error),
  }
}
