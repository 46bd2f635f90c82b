/** Preloaded into every measured process: answers the benchmark's questions about it over IPC. */

import { createServer, type RequestListener, Server } from 'node:http'
import { Session } from 'node:inspector/promises'
import type { AddressInfo } from 'node:net'

export interface Call {
  id: number
  name: string
  args: unknown[]
}
export interface Reply {
  id: number
  value?: unknown
  error?: string
}
type Handlers = Record<string, (...args: never[]) => unknown>

const handlers: Handlers = {
  /** Microseconds of CPU that all threads have used so far, user and system. */
  cpu() {
    const { user, system } = process.cpuUsage()
    return user + system
  },
  /** Bytes of V8's heap in use after full garbage collections. Through the inspector, so that no V8 flag is needed. */
  async heap() {
    const session = new Session()
    session.connect()
    for (let i = 0; i < 3; i++) await session.post('HeapProfiler.collectGarbage')
    session.disconnect()
    return process.memoryUsage().heapUsed
  },
}

process.on('message', async ({ id, name, args }: Call) => {
  let reply: Reply
  try {
    const handler = handlers[name]
    if (!handler) throw new Error(`no handler "${name}"`)
    reply = { id, value: await handler(...(args as never[])) }
  } catch (error) {
    reply = { id, error: String((error as Error).stack ?? error) }
  }
  process.send?.(reply)
})

// A benchmark that was killed has stopped no process.
process.once('disconnect', () => process.exit())

/** Called once by a contender when it can be measured. */
export function ready(more: Handlers = {}): void {
  Object.assign(handlers, more)
  process.send?.('ready')
}

/**
 * For writers: one for each request, which writes again as soon as Redis has its last write.
 *
 * @param write its `message` differs in every write to a request
 * @returns writes a second
 */
export async function writeFor(
  hashes: string[],
  ms: number,
  write: (hash: string, message: string) => Promise<unknown>,
): Promise<number> {
  const start = performance.now()
  let writes = 0
  await Promise.all(
    hashes.map(async (hash) => {
      while (performance.now() < start + ms) await write(hash, `message ${++writes}`)
    }),
  )
  return (writes / (performance.now() - start)) * 1000
}

/** Listens on a free port, then reports ready. */
export async function listen(app: Server | RequestListener): Promise<void> {
  const server = app instanceof Server ? app : createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ready({ url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}
