/** After so many attempts or so long a worker has done enough; whoever starts workers starts a fresh one. */

export interface WorkLimits {
  maxJobs?: number
  /** Seconds. */
  maxTime?: number
}

export interface RunningLimits {
  /** One more attempt. */
  count(): void
  stop(): void
}

/** @param reached called once, with the reason, at the first limit that is reached */
export function createWorkerLimits(
  { maxJobs, maxTime }: WorkLimits,
  reached: (why: 'max jobs' | 'max time') => void,
): RunningLimits {
  let counted = 0
  const over = (why: 'max jobs' | 'max time'): void => {
    clearTimeout(timer)
    reached(why)
  }
  const timer = maxTime === undefined ? undefined : setTimeout(() => over('max time'), maxTime * 1000)
  return {
    count() {
      if (++counted === maxJobs) over('max jobs')
    },
    stop: () => clearTimeout(timer),
  }
}
