/** An HTTP proxy that blocks, drops or buffers sockets, event streams and polls, as real ones do. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { cleanUp } from './clean-up.ts'

export type RequestKind = 'socket' | 'stream' | 'poll'
/**
 * `pass`: forwards. `refuse`: 502. `swallow`: never responds. `collect`: sends a response only once it is complete.
 * `hold`: buffers whatever the server sends from now on, on open connections too. `busy`: 503 with `Retry-After: 3`.
 * `mistake`: 404 with an HTML page.
 */
export type Treatment = 'pass' | 'refuse' | 'swallow' | 'collect' | 'hold' | 'busy' | 'mistake'

export interface HostileProxy {
  /** Without a slash at the end. */
  readonly address: string
  setTreatments(treatments: Partial<Record<RequestKind, Treatment>>): void
  /** All requests so far, with their time in milliseconds. */
  readonly requests: readonly { kind: RequestKind; at: number }[]
  /** The requests whose responses are open, the oldest first. */
  openRequests(): RequestKind[]
  /** Ends all open responses of this kind. */
  cut(kind: RequestKind): void
  /** Closes all connections and stops listening, as a server that restarts. */
  stop(): Promise<void>
  /** Listens again at the same address. */
  restart(): Promise<void>
}

const classify = ({ headers, url = '' }: IncomingMessage): RequestKind => {
  if (headers.upgrade) return 'socket'
  return url.endsWith('/events') ? 'stream' : 'poll'
}

/** Closed with the test file. @param target a server's address */
export async function startHostileProxy(target: string): Promise<HostileProxy> {
  const { hostname, port } = new URL(target)
  const treatments: Record<RequestKind, Treatment> = {
    socket: 'pass',
    stream: 'pass',
    poll: 'pass',
  }
  const requests: { kind: RequestKind; at: number }[] = []
  const openResponses = new Map<Socket | ServerResponse, RequestKind>()
  const connections = new Set<Socket>()

  const recordRequest = (req: IncomingMessage, response: Socket | ServerResponse): Treatment => {
    const kind = classify(req)
    requests.push({ kind, at: performance.now() })
    openResponses.set(response, kind)
    response.on('close', () => openResponses.delete(response))
    return treatments[kind]
  }

  const server = createServer((req, res) => {
    const treatment = recordRequest(req, res)
    if (treatment === 'swallow') return
    if (treatment === 'refuse') return void res.writeHead(502).end()
    if (treatment === 'busy') return void res.writeHead(503, { 'Retry-After': '3' }).end()
    if (treatment === 'mistake')
      return void res.writeHead(404, { 'Content-Type': 'text/html' }).end('<h1>404</h1>')
    const { url: path, method, headers } = req
    const upstream = request({ hostname, port, path, method, headers }, (response) => {
      if (treatment !== 'collect') {
        res.writeHead(response.statusCode ?? 502, response.headers)
        response.on('data', (chunk: Buffer) => treatments[classify(req)] !== 'hold' && res.write(chunk))
        response.on('end', () => res.end())
        return
      }
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        res.writeHead(response.statusCode ?? 502, response.headers).end(Buffer.concat(chunks)),
      )
    })
    upstream.on('error', () => res.destroy())
    res.on('close', () => upstream.destroy())
    req.pipe(upstream)
  })
  server.on('connection', (connection) => {
    connections.add(connection)
    connection.on('close', () => connections.delete(connection))
  })
  server.on('upgrade', (req, client: Socket) => {
    const treatment = recordRequest(req, client)
    client.on('error', () => {})
    // The client's disconnect is noticed only while reading.
    if (treatment === 'swallow') return void client.resume().on('end', () => client.destroy())
    if (treatment !== 'pass' && treatment !== 'hold')
      return void client.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
    const upstream = connect(Number(port), hostname)
    const lines = req.rawHeaders.map((text, i) => (i % 2 ? `${text}\r\n` : `${text}: `)).join('')
    upstream.write(`${req.method} ${req.url} HTTP/1.1\r\n${lines}\r\n`)
    upstream.on('data', (chunk: Buffer) => treatments.socket !== 'hold' && client.write(chunk))
    client.pipe(upstream)
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  const listen = async (at: number): Promise<void> => {
    server.listen(at, '127.0.0.1')
    await once(server, 'listening')
  }
  const stop = async (): Promise<void> => {
    const closed = once(server, 'close')
    server.close()
    for (const connection of connections) connection.destroy()
    await closed
  }
  await listen(0)
  const ownPort = (server.address() as AddressInfo).port
  cleanUp(() => {
    server.close()
    for (const connection of connections) connection.destroy()
  })
  return {
    address: `http://127.0.0.1:${ownPort}`,
    setTreatments: (changed) => void Object.assign(treatments, changed),
    requests: requests,
    openRequests: () => [...openResponses.values()],
    cut(kind) {
      for (const [response, itsKind] of openResponses) if (itsKind === kind) response.destroy()
    },
    stop: stop,
    restart: () => listen(ownPort),
  }
}
