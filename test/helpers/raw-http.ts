/** HTTP over a plain socket: sends any bytes and reads the whole answer. */
import { connect } from 'node:net'

export interface Exchange {
  /** The status code; null when the connection was closed without an answer. */
  status: number | null
  headers: Record<string, string>
  body: string
  /** Milliseconds from the last byte sent to the whole answer or the end of the connection. */
  tookMs: number
}

export interface ExchangeOptions {
  /** Ends the client half of the connection once all is sent, for incomplete requests. */
  hangUp?: boolean
  limitMs: number
}

/** Resolves with the first answer. An event stream counts as answered once it has started. */
export function exchange(
  port: number,
  bytes: Buffer,
  { hangUp = false, limitMs }: ExchangeOptions,
): Promise<Exchange> {
  const isHead = bytes.subarray(0, 5).toString('latin1') === 'HEAD '
  return new Promise((resolve, reject) => {
    const tcp = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    let received = Buffer.alloc(0)
    const startedAt = performance.now()
    // When this process was late, the answer has already arrived: read it before giving up.
    const late = setTimeout(() => setImmediate(giveUp), limitMs)
    const giveUp = (): void => {
      if (tcp.destroyed) return
      tcp.destroy()
      const only = JSON.stringify(received.toString('latin1').slice(0, 300))
      reject(new Error(`no answer within ${limitMs} ms, only ${only}`))
    }
    const done = (isEnd: boolean): void => {
      const answer = readAnswer(received, isHead, isEnd)
      if (!answer && !isEnd) return
      clearTimeout(late)
      tcp.destroy()
      resolve({
        ...(answer ?? { status: null, headers: {}, body: '' }),
        tookMs: performance.now() - startedAt,
      })
    }
    tcp.on('data', (data) => {
      received = Buffer.concat([received, data])
      done(false)
    })
    tcp.on('end', () => done(true))
    tcp.on('close', () => done(true))
    // Refused during a long body: the answer has arrived, or the connection ends.
    tcp.on('error', () => {})
    tcp.write(bytes)
    if (hangUp) tcp.end()
  })
}

type Answer = Pick<Exchange, 'status' | 'headers' | 'body'>

/** Null while it is incomplete. */
function readAnswer(received: Buffer, isHead: boolean, isEnd: boolean): Answer | null {
  let rest = received.toString('latin1')
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) return null
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? Number.NaN)
    if (Number.isNaN(status)) throw new Error(`this is no answer: ${first.slice(0, 100)}`)
    const headers = Object.fromEntries(lines.map((line) => splitHeader(line)))
    rest = rest.slice(end + 4)
    if (status === 100) continue
    const body = isHead || status === 204 || status === 304 ? '' : readBody(rest, headers, isEnd)
    return body === null ? null : { status, headers, body: Buffer.from(body, 'latin1').toString('utf8') }
  }
}

function splitHeader(line: string): [string, string] {
  const at = line.indexOf(':')
  return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
}

function readBody(rest: string, headers: Record<string, string>, isEnd: boolean): string | null {
  if (headers['content-type']?.startsWith('text/event-stream'))
    return isEnd || rest.includes('retry: ') ? rest : null
  if (headers['content-length'] !== undefined) {
    const length = Number(headers['content-length'])
    return rest.length >= length ? rest.slice(0, length) : null
  }
  if (headers['transfer-encoding'] !== 'chunked') return isEnd ? rest : null
  let body = ''
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at)
    if (lineEnd < 0) return null
    const size = Number.parseInt(rest.slice(at, lineEnd), 16)
    if (rest.length < lineEnd + 2 + size + 2) return null
    if (size === 0) return body
    body += rest.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 2 + size + 2
  }
}
