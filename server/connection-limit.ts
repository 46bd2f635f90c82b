/**
 * Refuses connections before the process has no file descriptor left, so that it can still reach Redis. Who is connected
 * stays so; clients of Halfway try again.
 */
import type { Server } from 'node:http'
import type { Log } from '../core/runtime/log.ts'

/** For connections to Redis and push services, files, the metrics and one more of each. */
const RESERVED = 64
const LOG_EVERY_MS = 60_000

/** Of this process; null where there is none. */
function readOpenFileLimit(): number | null {
  // With the network it would look up the names of all peers.
  Object.assign(process.report, { excludeNetwork: true })
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files: { soft: unknown } } }
  const limit = Number(userLimits?.open_files.soft)
  return Number.isInteger(limit) ? limit : null
}

export function limitConnections(http: Server, { log }: { log: Log }): void {
  const openFiles = readOpenFileLimit()
  if (openFiles === null) return
  // A small limit is shared: half of it is needed at the start.
  http.maxConnections = Math.max(openFiles - RESERVED, Math.floor(openFiles / 4))
  let dropped = 0
  let loggedAt = Number.NEGATIVE_INFINITY
  http.on('drop', () => {
    dropped++
    if (performance.now() - loggedAt < LOG_EVERY_MS) return
    loggedAt = performance.now()
    const facts = { dropped, connections: http.maxConnections, open_files: openFiles }
    log.warn(facts, 'connections are refused: raise the limit of open files (ulimit -n)')
    dropped = 0
  })
}
