/**
 * Calls push services (RFC 8030). A push is empty: it wakes the browser's service worker, which asks the server for the
 * words. So nothing of a request leaves the installation but the moment of its news.
 */
import { hash as digest } from 'node:crypto'
import { Agent, type Dispatcher, request } from 'undici'
import type { VapidKeys } from '../core/redis/vapid-keys.ts'
import type { Config } from '../core/runtime/config.ts'
import { connectPublicOnly } from '../core/runtime/public-only.ts'
import { kindOfPushEndpoint } from '../core/runtime/push-endpoint.ts'

export interface Push {
  endpoint: string
  /** Of the request: a push that was not delivered yet is replaced by the next one of the same request. */
  hash: string
  /** How long the push service tries to deliver it. */
  ttlSeconds: number
}

export type PushOutcome =
  | { is: 'sent' }
  /** The browser has withdrawn the subscription. */
  | { is: 'gone' }
  /** `reason` for operators. */
  | { is: 'refused'; reason: string }
  | { is: 'failed'; reason: string; retryAfterMs: number }

export interface PushClient {
  send(push: Push): Promise<PushOutcome>
  stop(): Promise<void>
}

const TIMEOUT_MS = 5_000
const TOKEN_LIFE = '12 hours'
/** An answer has a few words for developers, which are not read. */
const MAX_ANSWER_BYTES = 16 * 1024

export function createPushClient({
  keys,
  contact,
  hosts,
}: { keys: () => VapidKeys } & Pick<Config['push'], 'contact' | 'hosts'>): PushClient {
  const agents = { public: new Agent({ connect: connectPublicOnly() }), own: new Agent() }

  /** Shows the push service who sends. Valid for this one only. */
  async function authorize(endpoint: string): Promise<string> {
    const { importJWK, SignJWT } = await import('jose')
    const { publicKey, privateKey } = keys()
    const token = await new SignJWT()
      .setProtectedHeader({ typ: 'JWT', alg: 'ES256' })
      .setAudience(new URL(endpoint).origin)
      .setExpirationTime(TOKEN_LIFE)
      .setSubject(contact)
      .sign(await importJWK(privateKey, 'ES256'))
    return `vapid t=${token}, k=${publicKey}`
  }

  return {
    async send({ endpoint, hash, ttlSeconds }) {
      const kind = kindOfPushEndpoint(endpoint, hosts)
      if (kind === null) return { is: 'gone' }
      try {
        const answer = await request(endpoint, {
          method: 'POST',
          headers: {
            Authorization: await authorize(endpoint),
            TTL: String(ttlSeconds),
            Urgency: 'high',
            Topic: digest('sha256', hash, 'base64url').slice(0, 32),
          },
          dispatcher: agents[kind],
          signal: AbortSignal.timeout(TIMEOUT_MS),
        })
        await answer.body.dump({ limit: MAX_ANSWER_BYTES })
        return toPushOutcome(answer)
      } catch (error) {
        return { is: 'failed', reason: reasonOf(error), retryAfterMs: 0 }
      }
    },
    async stop() {
      await Promise.all(Object.values(agents).map((agent) => agent.close()))
    },
  }
}

function toPushOutcome({ statusCode: status, headers }: Dispatcher.ResponseData): PushOutcome {
  if (status >= 200 && status < 300) return { is: 'sent' }
  if (status === 404 || status === 410) return { is: 'gone' }
  const reason = `status ${status}`
  if (status !== 429 && status < 500) return { is: 'refused', reason }
  // As a date it is left to the sender's own delays.
  return { is: 'failed', reason, retryAfterMs: (Number(headers['retry-after']) || 0) * 1000 }
}

/** Without the address: it is a secret. */
function reasonOf(error: unknown): string {
  const { name, code, cause } = error as { name?: string; code?: string; cause?: { code?: string } }
  return cause?.code ?? code?.toString() ?? name ?? 'unknown'
}
