/** Limits after which a worker process stops; its supervisor then starts a fresh one. */

export interface WorkerLimitOptions {
  /** Attempts. */
  maxJobs?: number
  /** Seconds. */
  maxTime?: number
}

export interface WorkerLimits {
  countAttempt(): void
  stop(): void
}

type LimitReason = 'max jobs' | 'max time'

/** @param onReached called at the first limit that is reached */
export function createWorkerLimits(
  { maxJobs, maxTime }: WorkerLimitOptions,
  onReached: (reason: LimitReason) => void,
): WorkerLimits {
  let attempts = 0
  const reach = (reason: LimitReason): void => {
    clearTimeout(timer)
    onReached(reason)
  }
  const timer = maxTime === undefined ? undefined : setTimeout(() => reach('max time'), maxTime * 1000)
  return {
    countAttempt() {
      if (++attempts === maxJobs) reach('max jobs')
    },
    stop: () => clearTimeout(timer),
  }
}
