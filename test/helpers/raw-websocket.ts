/** A hand-written WebSocket client, which can send invalid frames and stop reading. */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'

export interface RawWebSocket {
  /** Sends text messages, together. In Engine.IO the first character is the packet type: 4 is a message of Socket.IO. */
  send(...texts: string[]): void
  frame(opcode: number, payload: string | Buffer): void
  /** Stops reading: once the kernel's buffers are full, the data stays in the server. */
  stopReading(): void
  /** The raw data received so far, with frame headers. */
  received(): string
  close(): void
  /** Resolves when the connection is closed by either side. */
  readonly closed: Promise<void>
  /** The client's end of the connection. */
  readonly port: number
}

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** @param query of the handshake; `join` waits for the namespace as well */
export async function openWebSocket(
  address: string,
  { query = 'EIO=4&transport=websocket', join = true } = {},
): Promise<RawWebSocket> {
  const { hostname, port, host } = new URL(address)
  const tcp = connect(Number(port), hostname)
  let received = ''
  const waiting = new Set<() => void>()
  tcp.on('data', (data) => {
    received += data.toString('latin1')
    for (const check of waiting) check()
  })
  const closed = new Promise<void>((resolve) => tcp.once('close', () => resolve()))
  // A connection closed by the server fails when there was data to send.
  tcp.on('error', () => {})
  const waitFor = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (!received.includes(text)) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
      void closed.then(() => reject(new Error(`closed before "${text}", after: ${received.slice(0, 500)}`)))
    })

  function encode(opcode: number, payload: string | Buffer): Buffer {
    const data = Buffer.from(payload)
    const mask = randomBytes(4)
    const length =
      data.length < 126 ? [0x80 | data.length] : [0x80 | 126, data.length >> 8, data.length & 0xff]
    for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) ^ (mask[i % 4] as number)
    return Buffer.concat([Buffer.from([0x80 | opcode, ...length]), mask, data])
  }
  const send = (...texts: string[]): void =>
    void tcp.write(Buffer.concat(texts.map((text) => encode(OPCODE.text, text))))

  tcp.write(
    [
      `GET /socket.io/?${query} HTTP/1.1`,
      `Host: ${host}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      'Sec-WebSocket-Version: 13\r\n\r\n',
    ].join('\r\n'),
  )
  await waitFor('"sid"')
  if (join) {
    send('40')
    await waitFor('40{"sid"')
  }
  return {
    send,
    frame: (opcode, payload) => void tcp.write(encode(opcode, payload)),
    stopReading: () => void tcp.pause(),
    received: () => received,
    close: () => void tcp.destroy(),
    closed,
    port: tcp.localPort as number,
  }
}
