/**
 * Standard output for logs. The lines of one event-loop tick are written together: a write is most of what a line costs, and
 * a call is answered before its lines are written. A process that is killed loses the lines of its last tick.
 */
import type { LogDestination } from './log.ts'

let waiting = ''

/** Called as well when the process exits, see process.ts. */
export function flushLog(): void {
  if (waiting === '') return
  const text = waiting
  waiting = ''
  process.stdout.write(text)
}

export const standardOutput: LogDestination = {
  get writableLength() {
    return process.stdout.writableLength + waiting.length
  },
  write(line) {
    if (waiting === '') setImmediate(flushLog)
    waiting += line
  },
}
