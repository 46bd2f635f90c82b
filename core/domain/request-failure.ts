/** Why a request failed: as the record stores it, and its public part. */

/** What is known of an error without what a person typed or a bot said (core/runtime/error-cause.ts). */
export interface FailureCause {
  /** The class of the error. */
  name: string
  /** Of errors of our own. */
  message?: string
  /** File and line. */
  at?: string
}

/** In one line. */
export const formatCause = ({ name, message, at }: FailureCause): string =>
  `${name}${message ? `: ${message}` : ''}${at ? ` (${at})` : ''}`

export interface PublicFailure {
  code: string
  message: string
  retryable: boolean
}

export interface RequestFailure extends PublicFailure {
  /** The error behind it, for those who run the installation and the bot. */
  cause?: FailureCause
}

export const publicFailure = (failure: RequestFailure | null): PublicFailure | null =>
  failure && { code: failure.code, message: failure.message, retryable: failure.retryable }
