/**
 * `process` and `fork`: a pool of child processes or of threads on this machine. A task that is aborted or times out is
 * ended with its process or thread, whatever it is doing.
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
  /** URL of the module that exports the tasks. */
  tasks: string
  /** Processes or threads at most. May exceed the number of cores where tasks wait rather than compute. */
  maxWorkers: number
}

/** How long an idle process or thread stays in the pool. */
const IDLE_MS = 30_000
/** How often a task is given to a worker again because the worker ended before it started the task. */
const MAX_STARTS = 5
const WORKER = fileURLToPath(new URL('../pool-entry.mjs', import.meta.url))

export function createPoolDriver({ runtime, tasks, maxWorkers }: PoolOptions): Driver {
  const pool = new Tinypool({
    filename: WORKER,
    runtime,
    minThreads: 0,
    maxThreads: maxWorkers,
    idleTimeout: IDLE_MS,
    // Workers do not inherit the options that this process was started with.
    execArgv: [],
    // Nor its environment: a task has only its arguments.
    env: {},
  })

  /**
   * Threads report progress over a port that is transferred to them, processes over their IPC channel.
   *
   * @param onLost called when a thread has ended, which closes its port and which the pool does not notice
   */
  function openReports({ onProgress }: DriverCall, onLost: () => void) {
    const receive = (message: unknown): void => {
      if (typeof message === 'object' && message !== null && 'progress' in message)
        onProgress?.(Number(message.progress))
    }
    if (runtime === 'child_process') return { channel: { postMessage: receive }, close: () => {} }
    const { port1, port2 } = new MessageChannel()
    port1.on('message', receive)
    port1.on('close', onLost)
    port1.unref()
    const close = (): void => {
      port1.off('close', onLost)
      port1.close()
    }
    return { port: port2, close }
  }

  // Tasks wait here, not in the pool: the pool forgets its waiting tasks when every worker has been ended.
  const limiter = pLimit(maxWorkers)
  // The pool does not replace a worker that dies before it is ready: cancelled tasks are started again below.
  pool.on('error', () => pool.cancelPendingTasks())
  let isStopped = false

  async function run(call: DriverCall, signal: AbortSignal, starts = 1): Promise<string> {
    const { name, args } = call
    // A new one for each start: the pool keeps listening to the signal of a task that it has cancelled.
    const abort = new AbortController()
    const onAbort = (): void => abort.abort()
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    const { port, channel, close } = openReports(call, onAbort)
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
      if (!isStopped && hasNotStarted(cause) && starts < MAX_STARTS) return run(call, signal, starts + 1)
      throw Object.assign(taskError(name, 'task_lost', 'the process or thread that ran it died.'), { cause })
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
 * Whether the task never reached a worker. Waiting tasks are cancelled when a worker dies before it is ready; and a worker
 * that is being ended may still answer, to which tinypool 2.2 gives the next task. The errors have no class of their own.
 */
const hasNotStarted = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'CancelError' || error.message === 'Terminating worker thread')
