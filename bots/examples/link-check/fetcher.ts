/**
 * Requests one address: follows redirects hop by hop, so that each is checked and recorded, and reads a page's HTML up to a
 * limit. A failure is an answer too; it rejects only when the run ends.
 */
import { Agent, fetch } from 'undici'
import type { Connect } from '../../../core/runtime/public-only.ts'
import { normalizeUrl } from './extract-links.ts'
import { classifyFailure, type LinkFailure } from './failure.ts'
import type { Limits } from './limits.ts'
import { createRobots } from './robots.ts'
import type { SitePace } from './site-pace.ts'

export interface FetchResult {
  /** After redirects. */
  url: string
  /** The redirects in their order. */
  redirects: { url: string; status: number }[]
  /** Null when no answer came. */
  status: number | null
  /** Null when an answer came. */
  failure: LinkFailure | null
  page: FetchedPage | null
  /** For all hops, until the wanted page was read, without the time between requests to one host. */
  milliseconds: number
}

export interface FetchedPage {
  html: Buffer
  charset: string | undefined
  /** The page is longer than the limit. */
  isCut: boolean
}

export interface Fetcher {
  /**
   * @param isWanted whether the HTML at this address is to be read; called with the address after redirects
   * @throws the signal's reason, once it has fired
   */
  request(url: string, method: 'GET' | 'HEAD', isWanted?: (url: string) => boolean): Promise<FetchResult>
  /** Closes all connections immediately. */
  close(): Promise<void>
}

const USER_AGENT = 'HalfwayLinkCheck/1.0'
const HEADERS = {
  'user-agent': USER_AGENT,
  accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8',
}
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const HTML = /^\s*(?:text\/html|application\/xhtml\+xml)\s*(?:;|$)/i

type Hop = Pick<FetchResult, 'status' | 'failure' | 'page'> & { location: string | null }

interface FetcherDeps {
  /** Opens sockets (core/runtime/public-only.ts); without it every address is allowed. */
  connect?: Connect
  /** The ports that may be called; null for every one. */
  ports: readonly number[] | null
  respectRobots: boolean
  pace: Pick<SitePace, 'request'>
  signal: AbortSignal
  limits: Limits
}
type ReadWhat = (url: string, type: string) => boolean

export function createFetcher(deps: FetcherDeps): Fetcher {
  const { pace, signal, limits } = deps
  const agent = new Agent({ connect: deps.connect })

  async function hop(url: string, method: 'GET' | 'HEAD', isRead: ReadWhat): Promise<Hop> {
    signal.throwIfAborted()
    const timeout = new AbortController()
    const timer = setTimeout(() => timeout.abort(), limits.requestMs)
    try {
      const response = await fetch(url, {
        method,
        headers: HEADERS,
        redirect: 'manual',
        dispatcher: agent,
        signal: AbortSignal.any([signal, timeout.signal]),
      })
      const type = response.headers.get('content-type') ?? ''
      const isWanted = method === 'GET' && response.ok && isRead(url, type)
      const page = isWanted ? await readPage(response, parseCharset(type), limits.pageBytes) : null
      if (!isWanted) await response.body?.cancel()
      return {
        status: response.status,
        failure: null,
        page,
        location: response.headers.get('location'),
      }
    } catch (error) {
      signal.throwIfAborted()
      const failure = timeout.signal.aborted ? 'timed_out' : classifyFailure(error)
      return { status: null, failure, page: null, location: null }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Follows redirects. */
  async function follow(
    start: string,
    method: 'GET' | 'HEAD',
    isRead: ReadWhat,
    refuse: Refuse,
  ): Promise<FetchResult> {
    let milliseconds = 0
    const redirects: FetchResult['redirects'] = []
    const end = (url: string, { status, failure, page }: Omit<Hop, 'location'>): FetchResult => ({
      ...{ url, redirects, status, failure, page },
      milliseconds: Math.round(milliseconds),
    })
    const stopAt = (url: string, failure: LinkFailure): FetchResult =>
      end(url, { status: null, failure, page: null })

    for (let url = start; ; ) {
      const refused = await refuse(url)
      if (refused) return stopAt(url, refused)
      await pace.request(new URL(url).host, signal)
      const startedAt = performance.now()
      const answer = await hop(url, method, isRead)
      milliseconds += performance.now() - startedAt
      if (answer.status === null || !REDIRECTS.has(answer.status)) return end(url, answer)
      redirects.push({ url, status: answer.status })
      if (!answer.location || !URL.canParse(answer.location, url)) return stopAt(url, 'bad_redirect')
      const next = new URL(answer.location, url)
      if (next.protocol !== 'http:' && next.protocol !== 'https:') return stopAt(url, 'not_http')
      url = normalizeUrl(next)
      if (redirects.some((redirect) => redirect.url === url)) return stopAt(url, 'redirect_loop')
      if (redirects.length > limits.redirects) return stopAt(url, 'too_many_redirects')
    }
  }

  const refuse = createRefusal(deps, (url, refusePort) => follow(url, 'GET', () => true, refusePort))

  return {
    request: (start, method, isWanted = () => false) =>
      follow(start, method, (url, type) => HTML.test(type) && isWanted(url), refuse),
    close: () => agent.destroy(),
  }
}

/** Why an address is not called; null when it may be. */
type Refuse = (url: string) => Promise<LinkFailure | null>

/** @param read reads a robots.txt */
function createRefusal(
  { ports, respectRobots }: Pick<FetcherDeps, 'ports' | 'respectRobots'>,
  read: (url: string, refuse: Refuse) => Promise<FetchResult>,
): Refuse {
  const refusePort: Refuse = async (url) => checkPort(ports, url)
  if (!respectRobots) return refusePort
  const robots = createRobots(async (url) => {
    const { status, page } = await read(url, refusePort)
    return { status, text: page?.html.toString() ?? null }
  }, USER_AGENT)
  return async (url) => checkPort(ports, url) ?? ((await robots.allows(url)) ? null : 'robots_denied')
}

function checkPort(ports: FetcherDeps['ports'], url: string): LinkFailure | null {
  const { port, protocol } = new URL(url)
  const called = Number(port || (protocol === 'https:' ? 443 : 80))
  return ports === null || ports.includes(called) ? null : 'port_not_allowed'
}

const parseCharset = (type: string): string | undefined => /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(type)?.[1]

async function readPage(
  response: Awaited<ReturnType<typeof fetch>>,
  charset: string | undefined,
  limit: number,
): Promise<FetchedPage> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving the loop early cancels the rest of the body.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    size += chunk.length
    if (size > limit) break
  }
  return { html: Buffer.concat(chunks).subarray(0, limit), charset, isCut: size > limit }
}
