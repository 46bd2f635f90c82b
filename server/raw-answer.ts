/** Answers without Express, in the form of all others. */
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { AppError } from '../core/domain/errors.ts'
import { captureHeaders, responseHeaders } from './middleware/response-headers.ts'
import { PROBLEM_TYPE, toProblem } from './problem.ts'

const HEADERS = captureHeaders(...responseHeaders())

/** Writes the problem to a connection that has no response, and closes it. */
export function answerRaw(socket: Duplex, error: AppError): void {
  const { headers, body } = encode(error)
  const lines = [`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`]
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
  // The client may have closed the connection.
  socket.on('error', () => {})
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

export function answerProblem(res: ServerResponse, error: AppError): void {
  const { headers, body } = encode(error)
  res.writeHead(error.status, headers).end(body)
}

function encode(error: AppError): { headers: string[]; body: string } {
  const body = JSON.stringify(toProblem(error))
  const headers = [
    ...HEADERS,
    ...['Cache-Control', 'no-store', 'Connection', 'close', 'Content-Type', PROBLEM_TYPE],
    ...['Content-Length', String(Buffer.byteLength(body))],
  ]
  if (error.retryAfterSeconds !== undefined) headers.push('Retry-After', String(error.retryAfterSeconds))
  return { headers, body }
}
