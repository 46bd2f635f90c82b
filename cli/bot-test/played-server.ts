/** Plays the server for a bot: its API of bots, without Redis. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer, json } from 'node:stream/consumers'
import { listen } from '../../core/runtime/process.ts'
import type { BotReport, PlayedRequest } from './played-request.ts'
import { findReportFault, isReportName } from './report-schemas.ts'

export interface PlayedAnnouncement {
  /** Of the call's address. */
  slug: string
  definition: unknown
  address: unknown
  draining: boolean
}

export interface PlayedServer {
  /** `http://127.0.0.1:port`. */
  readonly url: string
  readonly announcements: readonly PlayedAnnouncement[]
  /** Calls with another token, and calls of addresses that do not exist. */
  readonly faults: readonly string[]
  /** From now on the bot may report on it. */
  add(request: PlayedRequest): void
  stop(): Promise<void>
}

interface Exchange {
  req: IncomingMessage
  res: ServerResponse
  /** Aborts when the bot has left, or the server stops. */
  signal: AbortSignal
}

const MAX_WAIT_SECONDS = 25
const ANNOUNCE_AGAIN_SECONDS = 15
const ANSWER_EXPIRES_SECONDS = 120

/** @throws StartupError when the port is taken */
export async function startPlayedServer({
  port,
  token,
}: {
  port: number
  token: string
}): Promise<PlayedServer> {
  const requests = new Map<string, PlayedRequest>()
  const announcements: PlayedAnnouncement[] = []
  const faults: string[] = []
  const stopping = new AbortController()

  async function handle({ req, res, signal }: Exchange): Promise<void> {
    const { pathname } = new URL(req.url ?? '/', 'http://server')
    const call = `${req.method} ${pathname.replace(/req_[\w-]+/, '{hash}')}`
    if (req.headers.authorization !== `Bearer ${token}`) {
      faults.push(`${call}: its token is not that of the test`)
      return problem(res, 401, 'unauthorized')
    }
    const [, slug] = /^\/api\/bots\/services\/([^/]+)$/.exec(pathname) ?? []
    const [, hash = '', what = ''] = /^\/api\/bots\/requests\/([^/]+)(?:\/(\w+))?$/.exec(pathname) ?? []
    if (slug !== undefined && req.method === 'PUT') return announce(slug, req, res)
    const request = requests.get(hash)
    if (hash !== '' && !request) return problem(res, 404, 'request_not_found')
    if (request && (await serveRequest(request, what, { req, res, signal }))) return
    faults.push(`${call}: the server has no such call`)
    problem(res, 404, 'not_found')
  }

  async function announce(slug: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = (await json(req).catch(() => null)) as Record<string, unknown> | null
    if (!body?.definition) return problem(res, 422, 'validation_failed')
    const { definition, address, draining } = body
    announcements.push({ slug, definition, address, draining: draining === true })
    send(res, 200, { slug, standing: 'ok', announce_again_in: ANNOUNCE_AGAIN_SECONDS })
  }

  const http = createServer((req, res) => {
    const left = new AbortController()
    res.on('close', () => left.abort())
    const signal = AbortSignal.any([left.signal, stopping.signal])
    handle({ req, res, signal }).catch(() => res.destroy())
  })
  await listen(http, { port, host: '127.0.0.1', setting: '--server-port' })
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    announcements,
    faults,
    add: (request) => void requests.set(request.hash, request),
    async stop() {
      stopping.abort()
      const closed = new Promise((resolve) => http.close(resolve))
      http.closeAllConnections()
      await closed
    },
  }
}

/** @returns false for a call that does not exist */
async function serveRequest(request: PlayedRequest, what: string, exchange: Exchange): Promise<boolean> {
  const { req, res } = exchange
  if (req.method === 'GET' && what === '') send(res, 200, { status: statusOf(request) })
  else if (req.method === 'GET' && (what === 'answer' || what === 'control'))
    await servePoll(request, what, exchange)
  else if (req.method === 'POST' && what === 'files') await serveFile(request, exchange)
  else if (req.method === 'POST' && isReportName(what)) await serveReport(request, what, exchange)
  else return false
  return true
}

function statusOf({ stop, reports }: PlayedRequest): string {
  if (reports.some(({ what }) => what === 'complete')) return 'completed'
  return stop === null ? 'processing' : 'cancelled'
}

async function servePoll(
  request: PlayedRequest,
  what: 'answer' | 'control',
  { req, res, signal }: Exchange,
): Promise<void> {
  request.recordPoll(what)
  const { searchParams } = new URL(req.url ?? '/', 'http://server')
  const seconds = Math.min(Number(searchParams.get('wait') ?? 0) || 0, MAX_WAIT_SECONDS)
  const over = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)])
  for (;;) {
    if (request.stop !== null && what === 'control') return send(res, 200, { stop: request.stop })
    if (request.stop !== null) return problem(res, 409, request.stop)
    const answer = what === 'answer' ? request.takeAnswer(canResend(request, searchParams)) : null
    if (answer !== null) return send(res, 200, answer)
    if (over.aborted) return void res.writeHead(204).end()
    await request.changed(over)
  }
}

async function serveFile({ stop, hash }: PlayedRequest, { req, res }: Exchange): Promise<void> {
  const { byteLength: size } = await buffer(req)
  if (stop !== null) return problem(res, 409, stop)
  const name = new URL(req.url ?? '/', 'http://server').searchParams.get('name')
  send(res, 201, { name, size, id: hash.slice(-10) })
}

/** As the bot said when it asked, and says when it waits. */
function canResend({ reports }: PlayedRequest, query: URLSearchParams): boolean {
  const question = reports.findLast(({ what }) => what === 'ask')
  return question?.body.resend !== false && query.get('resend') !== 'false'
}

async function serveReport(
  request: PlayedRequest,
  what: BotReport['what'],
  { req, res }: Exchange,
): Promise<void> {
  const body = what === 'heartbeat' ? {} : await json(req).catch(() => null)
  const fault = /^\d{1,9}$/.test(String(req.headers['x-attempt']))
    ? findReportFault(what, body)
    : 'X-Attempt is missing, or no whole number'
  if (fault !== null) {
    request.recordFault(`${what}: ${fault}`)
    return problem(res, 422, 'validation_failed')
  }
  const report: BotReport = { what, body: body as BotReport['body'], at: performance.now() }
  const refusal = request.script.refuse?.(report) ?? null
  request.record(report, refusal === null && request.stop === null)
  await request.script.delay?.(report)
  if (refusal === 'broken') return void res.destroy()
  if (refusal === 503) return problem(res, 503, 'storage_unavailable')
  if (request.stop !== null || refusal === 409) return problem(res, 409, request.stop ?? 'already_final')
  answerReport(request, what, res)
}

function answerReport(request: PlayedRequest, what: BotReport['what'], res: ServerResponse): void {
  if (what === 'complete' || what === 'fail') request.end('already_final')
  if (what === 'heartbeat') res.writeHead(204).end()
  else send(res, 200, bodyAfter(request, what))
}

function bodyAfter(request: PlayedRequest, what: BotReport['what']): object {
  if (what === 'reject') return { asks_again: true, attempts_left: 2 }
  if (what !== 'ask') return { status: statusOf(request), version: request.reports.length }
  const expires_at = new Date(Date.now() + ANSWER_EXPIRES_SECONDS * 1000).toISOString()
  return { id: request.hash.slice(-10), expires_at, expires_in: ANSWER_EXPIRES_SECONDS }
}

function send(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function problem(res: ServerResponse, status: number, code: string): void {
  const headers = { 'content-type': 'application/problem+json', 'retry-after': '1' }
  res.writeHead(status, status === 503 ? headers : { 'content-type': headers['content-type'] })
  res.end(JSON.stringify({ status, code, title: code }))
}
