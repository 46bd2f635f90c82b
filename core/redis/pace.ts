/** Lets something happen at once, and again only after a while: what comes too soon is done later, all of it in one. */
export interface Pace {
  /** Now, or as soon as it is time. */
  next(): void
  now(): void
  stop(): void
}

/** @param everyMs 0 for always at once */
export function createPace(everyMs: number, act: () => void): Pace {
  let timer: NodeJS.Timeout | undefined
  let actedAt = Number.NEGATIVE_INFINITY

  const now = (): void => {
    clearTimeout(timer)
    timer = undefined
    actedAt = performance.now()
    act()
  }
  return {
    now,
    next() {
      if (timer) return
      const restMs = actedAt + everyMs - performance.now()
      if (restMs <= 0) now()
      else timer = setTimeout(now, Math.ceil(restMs)).unref()
    },
    stop: () => clearTimeout(timer),
  }
}
