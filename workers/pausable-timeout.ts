/** A timeout that can be paused, such as while a request waits for a code. */
export interface PausableTimeout {
  pause(): void
  resume(): void
  stop(): void
}

/** Starts running. Calls `onTimeout` once, after `limitMs` without the pauses. */
export function createPausableTimeout(limitMs: number, onTimeout: () => void): PausableTimeout {
  let remainingMs = limitMs
  let startedAt = 0
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const pause = (): void => {
    if (!timer) return
    clearTimeout(timer)
    timer = undefined
    remainingMs = Math.max(0, remainingMs - (performance.now() - startedAt))
  }
  const stop = (): void => {
    pause()
    stopped = true
  }
  const resume = (): void => {
    if (timer || stopped) return
    startedAt = performance.now()
    timer = setTimeout(() => {
      stop()
      onTimeout()
    }, remainingMs)
  }
  resume()
  return { pause, resume, stop }
}
