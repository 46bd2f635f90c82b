/**
 * A minimal browser for one visit to the portal: stores cookies, sends forms with their hidden fields, follows redirects, and
 * sends nothing to another origin.
 */
import { CookieJar } from 'tough-cookie'
import { fetch, type Response } from 'undici'
import { BotFailure } from '../../bot-failure.ts'
import { sessionLost } from '../../bot-server/sms-sent.ts'
import {
  type PortalForm,
  type PortalPage,
  parsePortalPage,
  portalChanged,
  portalMessage,
} from './portal-page.ts'

export interface PortalClient {
  /** @param path from the portal's root  @throws BotFailure as `submit` */
  open(path: string): Promise<PortalPage>
  /**
   * Sends a form with its hidden fields and these. Pages with a 4xx status are returned too: they describe the error.
   * @throws BotFailure `portal_unavailable` and `session_lost` (retryable), `portal_changed` (not retryable);
   * the signal's reason once aborted
   */
  submit(form: PortalForm, fields?: Record<string, string>): Promise<PortalPage>
  /** The same visit with its cookies, for a later call with its own signal. */
  withSignal(signal: AbortSignal): PortalClient
}

export interface PortalClientOptions {
  baseUrl: string
  /** Aborts the current request. */
  signal: AbortSignal
  /** For each request; a redirect is a new request. */
  timeoutMs?: number
}

type Answer = { page: PortalPage } | { redirect: URL }

const MAX_PAGE_BYTES = 512 * 1024
const MAX_REDIRECTS = 5

export const createPortalClient = (options: PortalClientOptions): PortalClient =>
  clientWith(new CookieJar(), options)

function clientWith(
  jar: CookieJar,
  { baseUrl, signal, timeoutMs = 30_000 }: PortalClientOptions,
): PortalClient {
  const { origin } = new URL(baseUrl)

  async function visit(address: URL, body?: URLSearchParams): Promise<PortalPage> {
    let answer = await call(address, body)
    for (let redirects = 0; 'redirect' in answer; redirects++) {
      if (redirects === MAX_REDIRECTS) throw portalChanged('it redirects in circles')
      answer = await call(answer.redirect)
    }
    return answer.page
  }

  async function call(address: URL, body?: URLSearchParams): Promise<Answer> {
    if (address.origin !== origin) throw portalChanged('it points to another site')
    signal.throwIfAborted()
    // Referenced until the end: `any` alone does not keep a timeout from being garbage-collected before it fires.
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      const cookie = await jar.getCookieString(address.href)
      const response = await fetch(address, {
        method: body ? 'POST' : 'GET',
        body,
        headers: { accept: 'text/html', ...(cookie && { cookie }) },
        redirect: 'manual',
        signal: AbortSignal.any([signal, timeout]),
      })
      for (const setCookie of response.headers.getSetCookie()) {
        await jar.setCookie(setCookie, address.href, { ignoreError: true })
      }
      const text = await readText(response)
      return parseAnswer(response, text, address)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof BotFailure) throw error
      throw portalUnavailable(timeout.aborted ? 'late' : 'unreachable', error)
    }
  }

  return {
    open: (path) => visit(new URL(path, baseUrl)),
    submit: ({ action, hidden }, fields) => visit(action, new URLSearchParams({ ...hidden, ...fields })),
    withSignal: (later) => clientWith(jar, { baseUrl, signal: later, timeoutMs }),
  }
}

function parseAnswer({ status, headers }: Response, text: string, address: URL): Answer {
  if (status >= 500 || status === 429) throw portalUnavailable('broken')
  if (status === 401) throw sessionLost(portalMessage('portal_session_ended'))
  if (status === 301 || status === 302 || status === 303) {
    const target = headers.get('location')
    if (!target || !URL.canParse(target, address)) throw portalChanged('it redirects to nowhere')
    return { redirect: new URL(target, address) }
  }
  if (!headers.get('content-type')?.startsWith('text/html')) throw portalChanged('it answers with no page')
  return { page: parsePortalPage(text, address) }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_PAGE_BYTES) throw portalChanged('a page is far too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const portalUnavailable = (why: 'late' | 'unreachable' | 'broken', cause?: unknown): BotFailure =>
  new BotFailure('portal_unavailable', portalMessage('portal_unavailable', { why }), {
    retryable: true,
    cause,
  })
