/**
 * A push service on this machine, as browsers name one: accepts empty pushes of a sender that signs its calls (VAPID), and
 * notes them. What is wrong with a call it answers as push services do, and notes as well.
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { decodeProtectedHeader, importJWK, jwtVerify } from 'jose'
import { cleanUp } from './clean-up.ts'

export interface ReceivedPush {
  /** The end of the endpoint's path. */
  browser: string
  /** What is wrong with it; null for a valid one. */
  fault: string | null
  publicKey: string
  contact: string
  ttlSeconds: number
  urgency: string
  topic: string
}

export interface PushService {
  origin: string
  /** All calls so far, also those that were not accepted. */
  received: ReceivedPush[]
  of(browser: string): ReceivedPush[]
  endpoint(browser: string): string
  /** Answers the next calls for this browser so, one after the other; the last one for good. */
  answers(browser: string, ...answers: { status: number; headers?: Record<string, string> }[]): void
}

/** Await it at the top of a test file. */
export async function usePushService(): Promise<PushService> {
  const received: ReceivedPush[] = []
  const given = new Map<string, { status: number; headers?: Record<string, string> }[]>()
  let origin = ''
  const server = createServer(async (req, res) => {
    const push = await readPush(req, origin)
    received.push(push)
    const answers = given.get(push.browser) ?? [{ status: 201 }]
    const [answer] = answers.length > 1 ? answers.splice(0, 1) : answers
    res.writeHead(push.fault === null ? (answer?.status ?? 201) : 403, answer?.headers).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp(() => {
    server.closeAllConnections()
    server.close()
  })
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    origin,
    received,
    of: (browser) => received.filter((push) => push.browser === browser),
    endpoint: (browser) => `${origin}/push/${browser}`,
    answers: (browser, ...answers) => void given.set(browser, answers),
  }
}

async function readPush(req: IncomingMessage, origin: string): Promise<ReceivedPush> {
  const body = await text(req)
  const [, token = '', publicKey = ''] =
    /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(req.headers.authorization ?? '') ?? []
  const { fault, contact } = await checkToken(token, publicKey, origin)
  // Some push services refuse a call without a length.
  const isEmptyPost = req.method === 'POST' && req.headers['content-length'] === '0' && body === ''
  return {
    browser: (req.url ?? '').replace('/push/', ''),
    fault: fault ?? (isEmptyPost ? null : 'no empty POST'),
    publicKey,
    contact,
    ttlSeconds: Number(req.headers.ttl ?? Number.NaN),
    urgency: String(req.headers.urgency),
    topic: String(req.headers.topic),
  }
}

async function checkToken(
  token: string,
  publicKey: string,
  origin: string,
): Promise<{ fault: string | null; contact: string }> {
  try {
    const point = Buffer.from(publicKey, 'base64url')
    const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString('base64url'))
    const key = await importJWK({ kty: 'EC', crv: 'P-256', x, y }, 'ES256')
    const { payload } = await jwtVerify(token, key, { audience: origin, algorithms: ['ES256'] })
    const hours = ((payload.exp ?? 0) - Date.now() / 1000) / 3600
    const isType = decodeProtectedHeader(token).typ === 'JWT'
    const fault = !isType ? 'no JWT' : hours > 0 && hours <= 24 ? null : `valid for ${hours} hours`
    return { fault, contact: payload.sub ?? '' }
  } catch (error) {
    return { fault: (error as Error).message, contact: '' }
  }
}
