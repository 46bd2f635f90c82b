/** Records for tests, made by the state machine: a request in some state is a new one after some commands. */

import type { Command } from '../../core/domain/command.ts'
import { createRecord } from '../../core/domain/create-record.ts'
import type { RequestRecord } from '../../core/domain/record.ts'
import { createRequestHash } from '../../core/domain/request-id.ts'
import { transition } from '../../core/domain/state-machine.ts'
import { MAX_RECORD_CHARACTERS } from '../../core/records/foreign-record.ts'

export const TTL_SECONDS = 1800
/** More than is read of a record. */
export const TOO_LONG = 'x'.repeat(MAX_RECORD_CHARACTERS + 1)
/** The start time of tests with their own clock. */
export const T0 = Date.UTC(2026, 5, 1, 12)

export const SERVICE = {
  slug: 'test-service',
  queue: { name: 'test-queue' },
  usual_seconds: 60,
  tries: 3,
  steps: [{ id: 'first' }, { id: 'second' }, { id: 'third' }],
} as const

/** Values that must never leave the process; every record of the tests contains them. */
export const PRIVATE = {
  request: 'private-national-code',
  session: 'private-session',
  user: 'private-user',
} as const

export const aHash = (nowMs = Date.now()): string => createRequestHash(nowMs)

/** A request as submitted: pending, attempt 0. */
export function aRecord({
  now = Date.now(),
  ttlSeconds = TTL_SECONDS,
  service = SERVICE,
  ...fields
}: Partial<RequestRecord> & {
  now?: number
  ttlSeconds?: number
  service?: Parameters<typeof createRecord>[0]['service']
} = {}): RequestRecord {
  const record = createRecord({
    hash: fields.hash ?? aHash(now),
    service,
    requestData: { national_code: PRIVATE.request },
    sessionId: PRIVATE.session,
    userId: PRIVATE.user,
    now,
    ttlSeconds,
  })
  return { ...record, ...fields }
}

/** The record after these commands, all at `now`. Throws when one is rejected. */
export function applyCommands(
  record: RequestRecord,
  commands: readonly Command[],
  now = Date.parse(record.updated_at),
): RequestRecord {
  return commands.reduce((before, command) => {
    const result = transition(before, command, { now, ttlSeconds: TTL_SECONDS })
    if (!result.ok) throw new Error(`${command.type} was refused: ${result.rejection}`)
    return result.record
  }, record)
}

export const START: Command = { type: 'start', attempt: 1 }
export const REQUIRE_OTP: Command = {
  type: 'require_otp',
  attempt: 1,
  otp: { id: 'otp-1', length: 6, sent_to: '0912***4567' },
}
export const progressTo = (progress: number, message?: string): Command => ({
  type: 'progress',
  attempt: 1,
  progress,
  message,
})
