/**
 * A bot without Halfway's library: a plain HTTP server that answers the calls of each request with the replies that a test
 * has queued, and records the calls. Reply helpers are at the end.
 */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll } from 'vitest'

export interface ReceivedCall {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: unknown
  /** When it was received, by the monotonic clock, milliseconds. */
  at: number
  /** Resolves when the caller closes the connection before it is answered. */
  hungUp: Promise<void>
}

export type Reply = (res: ServerResponse, call: ReceivedCall) => unknown

export interface ForeignBot {
  readonly url: string
  /** Queues replies to the next calls with this Idempotency-Key; further calls are answered with 500. */
  replies(hash: string, ...replies: Reply[]): void
  /** The calls so far, in order. */
  calls(hash: string): ReceivedCall[]
  /** Resolves with the n-th call (1 is the first) once it is received. */
  call(hash: string, n?: number): Promise<ReceivedCall>
  stop(): Promise<void>
}

/** @param port 0 for a free one */
export async function startForeignBot(port = 0): Promise<ForeignBot> {
  const queued = new Map<string, Reply[]>()
  const received = new Map<string, ReceivedCall[]>()
  const waiting = new Set<() => void>()

  const server = createServer(async (req, res) => {
    let text = ''
    for await (const chunk of req.setEncoding('utf8')) text += chunk
    const call: ReceivedCall = {
      method: req.method ?? '',
      path: req.url ?? '',
      headers: req.headers,
      body: text === '' ? undefined : JSON.parse(text),
      at: performance.now(),
      hungUp: new Promise((resolve) => res.on('close', () => res.writableFinished || resolve())),
    }
    const hash = String(req.headers['idempotency-key'])
    received.set(hash, [...(received.get(hash) ?? []), call])
    for (const check of waiting) check()
    const reply = queued.get(hash)?.shift() ?? html(500)
    await reply(res, call)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    replies: (hash, ...replies) => void queued.set(hash, [...(queued.get(hash) ?? []), ...replies]),
    calls: (hash) => received.get(hash) ?? [],
    call: (hash, n = 1) =>
      new Promise((resolve) => {
        const check = (): void => {
          const call = received.get(hash)?.[n - 1]
          if (!call) return
          waiting.delete(check)
          resolve(call)
        }
        waiting.add(check)
        check()
      }),
    stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      return closed
    },
  }
}

/** To be awaited at the top of a test file. */
export async function useForeignBot(): Promise<ForeignBot> {
  const bot = await startForeignBot()
  afterAll(() => bot.stop())
  return bot
}

export const json =
  (body: unknown, status = 200): Reply =>
  (res) =>
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))

export const success = (data: unknown = {}): Reply =>
  json({ status: 'success', code: 'COMPLETED', message: 'Done.', data })

export const smsSent = (otp_data: unknown = {}): Reply =>
  json({ status: 'success', code: 'SMS_SENT', otp_data })

export const failure = (code: string, { retryable = false, message = `It was ${code}.` } = {}): Reply =>
  json({ status: 'error', code, message, retryable })

/** The answer of a proxy or a crashed server. */
export const html =
  (status: number): Reply =>
  (res) =>
    res.writeHead(status, { 'content-type': 'text/html' }).end(`<h1>${status}</h1>`)

/** Refuses the call for now. */
export const refusedWith =
  (status: 429 | 503, headers: Record<string, string> = {}, body = ''): Reply =>
  (res) =>
    res.writeHead(status, headers).end(body)

/** The same reply, byte by byte. */
export const slowly =
  (reply: Reply): Reply =>
  (res, call) => {
    const end = res.end.bind(res)
    res.end = ((text: string) => {
      const bytes = [...Buffer.from(text)]
      const next = (): void => {
        const byte = bytes.shift()
        if (byte === undefined) end()
        else res.write(Buffer.of(byte), () => setImmediate(next))
      }
      next()
      return res
    }) as typeof res.end
    return reply(res, call)
  }

/** Two replies to one call, the second written directly to the socket. */
export const twice =
  (first: Reply, second: Reply): Reply =>
  async (res, call) => {
    const { socket } = res
    await first(res, call)
    const wire = { writeHead: () => wire, end: (text: string) => text }
    const text = String(await second(wire as unknown as typeof res, call))
    socket?.write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    )
  }

/** An endless body, until the caller closes the connection. */
export const endless: Reply = (res) => {
  res.writeHead(200, { 'content-type': 'application/json' })
  const chunk = Buffer.alloc(64 * 1024, 'x')
  const pour = (): void => {
    while (!res.destroyed && res.write(chunk));
  }
  res.on('drain', pour)
  pour()
}

export const halfAnAnswer: Reply = (res) => {
  res.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
  res.write('{"status":"succ', () => res.destroy())
}

/** Never answers; the call stays open until the caller closes it. */
export const silence: Reply = () => {}

/** A reply that the test sends when it decides. */
export function later(): { reply: Reply; answer: (reply: Reply) => void } {
  let decide!: (reply: Reply) => void
  const decided = new Promise<Reply>((resolve) => {
    decide = resolve
  })
  return { reply: async (res, call) => (await decided)(res, call), answer: decide }
}
