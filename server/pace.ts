/**
 * Runs CPU-heavy work of callers, such as parsing megabytes, in pieces, in the order of their arrival. After 2 ms of work
 * everything else that is ready runs first. A piece that took longer is followed by a rest of the same length, so that many
 * large bodies at once delay no other request.
 */
const MAX_BUSY_MS = 2
const LONG_PIECE_MS = 2 * MAX_BUSY_MS

const pieces: (() => void)[] = []

/** @param piece keep its synchronous part short: it blocks the event loop; time it awaits does not count */
export function paced<T>(piece: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const isFirst = pieces.length === 0
    pieces.push(() => {
      try {
        resolve(piece())
      } catch (error) {
        reject(error)
      }
    })
    if (isFirst) setImmediate(work)
  })
}

function work(): void {
  const startedAt = performance.now()
  let busyMs = 0
  let done = 0
  while (busyMs < MAX_BUSY_MS && done < pieces.length) {
    pieces[done++]?.()
    busyMs = performance.now() - startedAt
  }
  pieces.splice(0, done)
  if (pieces.length === 0) return
  if (busyMs < LONG_PIECE_MS) setImmediate(work)
  else setTimeout(work, busyMs)
}

let lastSerialRun: Promise<unknown> = Promise.resolve()

/** Runs work one at a time: for work that mostly waits for Redis and then has many replies to handle at once. */
export function runSerially<T>(work: () => Promise<T>): Promise<T> {
  const result = lastSerialRun.then(work)
  lastSerialRun = result.catch(() => {})
  return result
}
