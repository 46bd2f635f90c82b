/**
 * Long work of callers, such as parsing megabytes, is done in pieces, one after the other whoever sent them. After a few
 * milliseconds of it everybody else has the event loop for as long: many large bodies at the same moment hold up nobody.
 */
const MAX_BUSY_MS = 5

const pieces: (() => void)[] = []

/** @param piece how long it holds the event loop is up to its caller; what it awaits does not count */
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
  if (pieces.length > 0) setTimeout(work, busyMs)
}

let lastSerialRun: Promise<unknown> = Promise.resolve()

/** Work that waits much for Redis and has many answers to handle at the same moment: one after the other. */
export function runSerially<T>(work: () => Promise<T>): Promise<T> {
  const result = lastSerialRun.then(work)
  lastSerialRun = result.catch(() => {})
  return result
}
