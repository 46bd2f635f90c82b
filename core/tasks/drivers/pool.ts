/**
 * `process` and `fork`: a pool of child processes, or of threads, on this machine. What is aborted or takes too long is
 * ended with the process or thread it runs in, whatever it is doing.
 */
import { fileURLToPath } from 'node:url'
import { MessageChannel } from 'node:worker_threads'
import pLimit from 'p-limit'
import Tinypool from 'tinypool'
import { runLimited } from '../run-limited.ts'
import { taskError } from '../task-errors.ts'
import type { Driver, DriverCall } from './driver.ts'

export interface PoolOptions {
  runtime: 'child_process' | 'worker_threads'
  /** The module that exports the tasks, as `import.meta.url` would say. */
  tasks: string
  /** So many at once: more than there are cores, where tasks wait for others rather than compute. */
  most: number
}

/** A process or thread that has nothing to do is kept for so long. */
const IDLE_MS = 30_000
/** How often a task is given to a worker, each of which ended before the task began. */
const MAX_STARTS = 5
const WORKER = fileURLToPath(new URL('../pool-entry.mjs', import.meta.url))

export function createPoolDriver({ runtime, tasks, most }: PoolOptions): Driver {
  const pool = new Tinypool({
    filename: WORKER,
    runtime,
    minThreads: 0,
    maxThreads: most,
    idleTimeout: IDLE_MS,
    // What this process was started with is not for them.
    execArgv: [],
    // Nothing of the environment goes along: tasks have their arguments.
    env: {},
  })

  /**
   * Threads report over a port that goes along, processes over the channel that they have.
   *
   * @param lost called when a thread is gone: it takes its port along, and the pool does not notice
   */
  function reports({ onProgress }: DriverCall, lost: () => void) {
    const hear = (message: unknown): void => {
      if (typeof message === 'object' && message !== null && 'progress' in message)
        onProgress?.(Number(message.progress))
    }
    if (runtime === 'child_process') return { channel: { postMessage: hear }, close: () => {} }
    const { port1, port2 } = new MessageChannel()
    port1.on('message', hear)
    port1.on('close', lost)
    port1.unref()
    const close = (): void => {
      port1.off('close', lost)
      port1.close()
    }
    return { port: port2, close }
  }

  // What its pool would let wait, it forgets when every worker has been ended: nothing waits there.
  const limiter = pLimit(most)
  // The pool does not replace a worker that dies before it is ready: tasks that wait for one are started again.
  pool.on('error', () => pool.cancelPendingTasks())
  let isStopped = false

  async function run(call: DriverCall, signal: AbortSignal, starts = 1): Promise<string> {
    const { name, args } = call
    // One for each start: the pool goes on listening to that of a task that it has cancelled.
    const abort = new AbortController()
    const onAbort = (): void => abort.abort()
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    const { port, channel, close } = reports(call, onAbort)
    try {
      return (await pool.run(
        { tasks, name, args, port },
        {
          signal: abort.signal,
          ...(port && { transferList: [port] }),
          ...(channel && { channel }),
        },
      )) as string
    } catch (cause) {
      if (signal.aborted) throw cause
      if (!isStopped && hasNotBegun(cause) && starts < MAX_STARTS) return run(call, signal, starts + 1)
      throw Object.assign(taskError(name, 'task_lost', 'whoever ran it died.'), { cause })
    } finally {
      signal.removeEventListener('abort', onAbort)
      close()
    }
  }

  return {
    run: (call) => limiter(() => runLimited(call, (signal) => run(call, signal))),
    stop: () => {
      isStopped = true
      return pool.destroy()
    },
  }
}

/**
 * Tasks that wait for a worker are cancelled when one dies before it is ready. And a worker that is being ended may still
 * answer: tinypool 2.2 then gives it the next task, which never reaches it. The errors have no class of their own.
 */
const hasNotBegun = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'CancelError' || error.message === 'Terminating worker thread')
