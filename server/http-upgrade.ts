/**
 * Ignores upgrades to protocols other than WebSocket, as HTTP allows. Some clients offer HTTP/2 with each plain call (Java's
 * HttpClient, `curl --http2`); once an `upgrade` listener exists, Node hands such a call to it alone. It is put back onto
 * its connection without the upgrade headers and served as a normal request.
 */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

const UPGRADE_HEADER = /^(?:upgrade|http2-settings)$/i

/** Node names here the answer that is being written. */
type ServedSocket = Duplex & { _httpMessage?: ServerResponse | null }

/** @param exceptPath upgrades of paths with this prefix are left to other listeners */
export function ignoreForeignUpgrades(http: HttpServer, { exceptPath }: { exceptPath: string }): void {
  http.on('upgrade', (req: IncomingMessage, socket: ServedSocket, head: Buffer) => {
    if (req.url?.startsWith(exceptPath)) return
    const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`]
    for (let i = 0; i < req.rawHeaders.length; i += 2) {
      const [name = '', value = ''] = req.rawHeaders.slice(i, i + 2)
      if (!UPGRADE_HEADER.test(name)) lines.push(`${name}: ${value}`)
    }
    socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
    afterAnswers(socket, () => http.emit('connection', socket))
  })
}

/** Runs once the calls before this one are answered: to the new connection, their answers are not there. */
function afterAnswers(socket: ServedSocket, serve: () => void): void {
  // Meanwhile no one else listens, and the error of a closed connection would end the process.
  const ignore = (): void => {}
  socket.on('error', ignore)
  const next = (): void => {
    // Not immediately: other connections have their turn between two calls of this one.
    if (socket._httpMessage) return void socket._httpMessage.once('close', () => setImmediate(next))
    socket.off('error', ignore)
    if (!socket.destroyed) serve()
  }
  next()
}
