/**
 * Reports the progress of a run: never lower than before, one write at a time, and of many changes in a short time only the
 * newest. A refused write ends the run, because its result is no longer wanted.
 */
import type { LocalizedMessage } from '../../../core/domain/message.ts'
import type { BotRequest } from '../../bot-server/define-service.ts'

interface Report {
  progress: number
  message: LocalizedMessage
}

export interface Progress {
  /** Starts a step; resolves once that is written. */
  startStep(step: string, report: Report): Promise<void>
  /** Written soon, unless a newer report replaces it. */
  report(report: Report): void
  /** Writes the pending report. Rejects when a write was refused. */
  flush(): Promise<void>
  /** Drops the pending report and clears the timer. */
  stop(): void
}

/** @param onRefused called with the error of a refused write */
export function createProgress(deps: {
  request: Pick<BotRequest, 'updateProgress'>
  everyMs: number
  onRefused: (error: unknown) => void
}): Progress {
  let step = ''
  let reached = 0
  let pending: Report | null = null
  let timer: NodeJS.Timeout | undefined
  let written: Promise<void> = Promise.resolve()
  let isBusy = false
  let isStopped = false

  const write = (): Promise<void> => {
    if (!pending || isStopped) return written
    const { progress, message } = pending
    const current = step
    pending = null
    isBusy = true
    reached = Math.max(reached, Math.floor(progress))
    const value = reached
    written = written.then(() => deps.request.updateProgress(value, current, message))
    written.then(pause, deps.onRefused)
    return written
  }

  /** Delays the write after this one. */
  const pause = (): void => {
    clearTimeout(timer)
    if (isStopped) return
    timer = setTimeout(() => {
      isBusy = false
      void write()
    }, deps.everyMs)
  }

  return {
    startStep(id, report) {
      step = id
      pending = report
      return write()
    },
    report(report) {
      pending = report
      if (!isBusy) void write()
    },
    flush: write,
    stop() {
      isStopped = true
      pending = null
      clearTimeout(timer)
    },
  }
}
