import DataLoader from 'dataloader'

let atEnd: (() => void)[] = []

/** Runs it at the end of the event-loop tick, with all others in one callback, so that their commands share a write (topology.ts). */
function runAtEndOfTick(run: () => void): void {
  if (atEnd.push(run) > 1) return
  setImmediate(() => {
    const runs = atEnd
    atEnd = []
    for (const each of runs) each()
  })
}

/** Resolves at the end of the event-loop tick, when the batches of this tick have been sent. */
export const endOfTick = (): Promise<void> => new Promise(runAtEndOfTick)

/**
 * Batches calls made in the same event-loop tick (the DataLoader pattern): N callers cost one Redis command. Worth 21 to
 * 29 % of status answers per second.
 *
 * @param handleBatch returns the results in the order of the keys; what it throws rejects all calls of the batch
 * @param schedule runs the batch later; the end of the tick when left out
 */
export function createBatcher<Key, Result>(
  maxBatchSize: number,
  handleBatch: (keys: readonly Key[]) => Promise<readonly (Result | Promise<Result>)[]>,
  schedule: (run: () => void) => void = runAtEndOfTick,
): (key: Key) => Promise<Result> {
  const loader = new DataLoader<Key, Result>(async (keys) => (await handleBatch(keys)) as Result[], {
    cache: false,
    maxBatchSize,
    batchScheduleFn: schedule,
  })
  return (key) => loader.load(key)
}
