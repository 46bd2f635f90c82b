/** What a driver does: takes a task where it can run, and brings back how it ended. */

export interface DriverCall {
  name: string
  /** JSON. */
  args: string
  /** Nobody wants the result any more: what runs is ended, wherever it runs. */
  signal: AbortSignal
  /** Seconds that it may take once it is begun; 0 for no limit. */
  timeout: number
  /** The caller does not wait: it may be gone before the task is. */
  detached: boolean
  onProgress?: (percent: number) => void
}

export interface Driver {
  /** The most that it runs at once; as many as are wanted when left out. */
  readonly limit?: number
  /** @returns an `Outcome` as JSON  @throws TaskError when there is none */
  run(call: DriverCall): Promise<string>
  stop(): Promise<void>
}
