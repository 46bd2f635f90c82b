/**
 * Writes refused calls and sockets to the audit log. In a minute the first one of a reason and a network is an entry, and a
 * second one says how many more there were, so that an attacker cannot fill the log.
 */
import type { IncomingMessage } from 'node:http'
import type { ErrorCode } from '../core/domain/errors.ts'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'
import type { AuditEntry, AuditLog } from '../core/store/audit-log.ts'
import { type AddressOf, networkOf } from './client-address.ts'

/** Refusals of callers who may not do what they tried, or do it too often. */
const AUDITED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'unauthorized',
  'not_signed_in',
  'not_owner',
  'origin_not_allowed',
  'wrong_host',
  'rate_limited',
  'too_many_unfinished',
  'subject_limit_reached',
  'otp_attempts_exhausted',
  'resend_exhausted',
])

export type OnRefusal = (refused: {
  action: 'call' | 'socket' | 'sign_in'
  reason: ErrorCode
  /** Not known of a socket that is open. */
  req?: IncomingMessage
  /** A short reference. */
  request?: string
}) => void

const WINDOW_MS = 60_000
/** Reasons and networks in a minute. What exceeds it is counted under its reason alone. */
const MAX_COUNTED = 10
const FROM_LENGTH = 8

export function createRefusedCalls({
  audit,
  secret,
  addressOf,
}: {
  audit: AuditLog
  secret: Pick<InstallationSecret, 'digest'>
  addressOf: AddressOf
}): { onRefusal: OnRefusal; stop(): Promise<void> } {
  const counted = new Map<string, { entry: AuditEntry; more: number }>()
  const written = new WeakSet<IncomingMessage>()
  let timer: NodeJS.Timeout | undefined

  async function endWindow(): Promise<void> {
    timer = undefined
    const repeated = [...counted.values()].filter(({ more }) => more > 0)
    counted.clear()
    await Promise.all(repeated.map(({ entry, more }) => audit.add({ ...entry, more })))
  }

  return {
    onRefusal({ action, reason, req, request }) {
      if (!AUDITED.has(reason) || (req && written.has(req))) return
      if (req) written.add(req)
      const kind = `${action} ${reason}`
      const from = req && secret.digest('network', networkOf(addressOf(req))).slice(0, FROM_LENGTH)
      const isCounted = counted.has(`${kind} ${from}`) || counted.size < MAX_COUNTED
      const key = isCounted ? `${kind} ${from}` : kind
      const known = counted.get(key)
      if (known) return void known.more++
      const entry: AuditEntry = { action, outcome: 'refused', reason, ...(isCounted && from && { from }) }
      counted.set(key, { entry, more: 0 })
      timer ??= setTimeout(endWindow, WINDOW_MS).unref()
      void audit.add({ ...entry, ...(request && { request }) })
    },
    stop() {
      clearTimeout(timer)
      return endWindow()
    },
  }
}
