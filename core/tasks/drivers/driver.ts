export interface DriverCall {
  name: string
  /** JSON. */
  args: string
  /** Fires when the result is no longer wanted: the task is aborted, wherever it runs. */
  signal: AbortSignal
  /** Seconds from its start; 0 for no limit. */
  timeout: number
  /** The caller does not wait for the result, and may end before the task. */
  detached: boolean
  onProgress?: (percent: number) => void
}

/** Takes a task to where it can run, and returns how it ended. */
export interface Driver {
  /** How many tasks of one call run concurrently at most; unlimited when left out. */
  readonly limit?: number
  /** @returns a TaskResult as JSON  @throws TaskError when there is none */
  run(call: DriverCall): Promise<string>
  stop(): Promise<void>
}
