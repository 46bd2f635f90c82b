/**
 * Tells the request how far a run is: never backwards, never two writes at once, and of many changes in a short time
 * only the newest. A write that is refused ends the run, since nobody waits for it any more.
 */
import type { LocalizedMessage } from '../../../../core/domain/message.ts'
import type { BotRequest } from '../../bot-service.ts'

interface Report {
  progress: number
  message: LocalizedMessage
}

export interface Progress {
  /** Begins a step; resolves once it is written. */
  begin(step: string, report: Report): Promise<void>
  /** Soon, if nothing newer comes before. */
  report(report: Report): void
  /** Writes what is still to be told. Rejects when a write was refused. */
  flush(): Promise<void>
  /** Forgets what is still to be told; no timer is left. */
  stop(): void
}

/** @param refused called with what a write was rejected with */
export function createProgress(deps: {
  request: Pick<BotRequest, 'updateProgress'>
  everyMs: number
  onRefused: (error: unknown) => void
}): Progress {
  let step = ''
  let reached = 0
  let next: Report | null = null
  let timer: NodeJS.Timeout | undefined
  let written: Promise<void> = Promise.resolve()
  let isBusy = false
  let isStopped = false

  const write = (): Promise<void> => {
    if (!next || isStopped) return written
    const { progress, message } = next
    const during = step
    next = null
    isBusy = true
    reached = Math.max(reached, Math.floor(progress))
    const now = reached
    written = written.then(() => deps.request.updateProgress(now, during, message))
    written.then(pause, deps.onRefused)
    return written
  }

  /** After a write the next one waits its time. */
  const pause = (): void => {
    clearTimeout(timer)
    if (isStopped) return
    timer = setTimeout(() => {
      isBusy = false
      void write()
    }, deps.everyMs)
  }

  return {
    begin(id, report) {
      step = id
      next = report
      return write()
    },
    report(report) {
      next = report
      if (!isBusy) void write()
    },
    flush: write,
    stop() {
      isStopped = true
      next = null
      clearTimeout(timer)
    },
  }
}
