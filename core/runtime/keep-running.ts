/** Child processes that are restarted whenever they exit unexpectedly. */
import type { ChildProcess } from 'node:child_process'
import type { Log } from './log.ts'
import type { Stoppable } from './process.ts'

/**
 * @param name for the log
 * @param start resolves once the process has started; rejects when it exits before
 * @param onRestartFailed called when a restart fails; nothing is tried again
 * @throws what the first `start` throws
 */
export async function keepRunning(
  name: string,
  start: () => Promise<ChildProcess>,
  { log, onRestartFailed }: { log: Log; onRestartFailed: () => void },
): Promise<Stoppable> {
  let stopping = false
  let child = await start()
  const watch = (): void => {
    child.once('exit', async (code, signal) => {
      if (stopping) return
      log.error({ process: name, code, signal }, 'a process exited unexpectedly, restarting it')
      try {
        child = await start()
        if (stopping) await stopChild(child)
        else watch()
      } catch {
        if (!stopping) onRestartFailed()
      }
    })
  }
  watch()
  return {
    stop() {
      stopping = true
      return stopChild(child)
    },
  }
}

/** With the signal after which a process finishes its work. Resolves once it has exited. */
function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  return exited
}
