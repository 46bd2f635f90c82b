/** A time limit that stands still while somebody else is at work: a person typing a code, say. */
export interface Stopwatch {
  pause(): void
  resume(): void
  stop(): void
}

/** Calls `over` once, when `limitMs` have passed, pauses not counted. Starts running. */
export function createPausableTimeout(limitMs: number, over: () => void): Stopwatch {
  let leftMs = limitMs
  let startedAt = 0
  let timer: NodeJS.Timeout | undefined
  let ended = false

  const pause = (): void => {
    if (!timer) return
    clearTimeout(timer)
    timer = undefined
    leftMs = Math.max(0, leftMs - (performance.now() - startedAt))
  }
  const stop = (): void => {
    pause()
    ended = true
  }
  const resume = (): void => {
    if (timer || ended) return
    startedAt = performance.now()
    timer = setTimeout(() => {
      stop()
      over()
    }, leftMs)
  }
  resume()
  return { pause, resume, stop }
}
