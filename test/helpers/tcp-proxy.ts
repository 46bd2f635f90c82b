/** A TCP proxy that can drop all data without closing, as a broken network does, and that can change its target. */
import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import { cleanUp } from './clean-up.ts'

export interface Address {
  host: string
  port: number
}

export interface TcpProxy extends Address {
  /** Open connections stay open but forward nothing any more. New connections work. */
  blackhole(): void
  /** Open connections forward so many more bytes in this direction, and are then closed. */
  breakAfter(bytes: number, direction: 'requests' | 'responses'): void
  /** Changes the target of new connections. */
  redirectTo(target: Address | { path: string }): void
  /** How many connections it has accepted so far. */
  readonly connections: number
  /** How often a client has sent something after it had received an answer, over all connections. */
  readonly roundTrips: number
}

const proxies = new Set<{ close(): void }>()
cleanUp(() => {
  for (const proxy of proxies) proxy.close()
})

function forwardBytes(bytes: number, from: Socket, into: Socket): void {
  let left = bytes
  from.unpipe(into).on('data', (chunk) => {
    const part = chunk.subarray(0, left)
    left -= part.length
    if (left > 0) return void into.write(part)
    from.removeAllListeners('data')
    into.end(part, () => from.destroy())
  })
  from.resume()
}

/** Closed with the test file. */
export async function startTcpProxy(target: Address | { path: string }): Promise<TcpProxy> {
  let to = target
  let connections = 0
  let roundTrips = 0
  const open = new Set<Socket>()
  const pairs = new Map<Socket, Socket>()
  const server = createServer((client) => {
    connections++
    const upstream = createConnection(to)
    pairs.set(client, upstream)
    client.on('close', () => pairs.delete(client))
    join(client, upstream)
    join(upstream, client)
    let isAnswered = true
    client.on('data', () => {
      if (isAnswered) roundTrips++
      isAnswered = false
    })
    upstream.on('data', () => {
      isAnswered = true
    })
  })
  function join(from: Socket, into: Socket): void {
    open.add(from)
    from.pipe(into)
    from.on('error', () => {})
    from.on('close', () => {
      open.delete(from)
      into.destroy()
    })
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxies.add({
    close() {
      for (const socket of open) socket.destroy()
      server.close()
    },
  })
  return {
    host: '127.0.0.1',
    port: (server.address() as { port: number }).port,
    blackhole() {
      for (const socket of open) socket.unpipe().pause()
    },
    breakAfter(bytes, direction) {
      for (const [client, upstream] of pairs) {
        if (direction === 'requests') forwardBytes(bytes, client, upstream)
        else forwardBytes(bytes, upstream, client)
      }
    },
    redirectTo(next) {
      to = next
    },
    get connections() {
      return connections
    },
    get roundTrips() {
      return roundTrips
    },
  }
}
