/**
 * Answers who offers another protocol than ours. Some programs offer HTTP/2 with every plain call (Java's HttpClient,
 * `curl --http2`), and once anybody listens for upgrades, Node takes such a call for nothing else. So it is put back onto
 * its connection without the offer, and served like any other.
 */
import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

const UPGRADE_HEADER = /^(?:upgrade|http2-settings)$/i

/** @param except where this path begins, somebody else answers */
export function ignoreForeignUpgrades(http: HttpServer, { exceptPath }: { exceptPath: string }): void {
  http.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (req.url?.startsWith(exceptPath)) return
    const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`]
    for (let i = 0; i < req.rawHeaders.length; i += 2) {
      const [name = '', value = ''] = req.rawHeaders.slice(i, i + 2)
      if (!UPGRADE_HEADER.test(name)) lines.push(`${name}: ${value}`)
    }
    socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
    http.emit('connection', socket)
  })
}
