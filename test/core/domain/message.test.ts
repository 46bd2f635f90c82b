import { describe, expect, it } from 'vitest'
import { type RequestRecord, toPublicView } from '../../../core/domain/record.ts'
import { transition } from '../../../core/domain/state-machine.ts'
import { parseForeignRecord } from '../../../core/records/foreign-record.ts'
import { reconcile } from '../../../core/records/reconcile.ts'
import { applyCommands, aRecord, START, T0, TTL_SECONDS } from '../../helpers/record.ts'

const rules = { now: T0, ttlSeconds: TTL_SECONDS }
const keyed = applyCommands(aRecord({ now: T0 }), [
  START,
  {
    type: 'progress',
    attempt: 1,
    progress: 20,
    message: 'Page 7',
    message_key: 'page',
    message_params: { page: 7 },
  },
])

/** The record after another program has read, changed and written it, without an own state to compare it with. */
function putBack(record: RequestRecord, change: Record<string, unknown>): RequestRecord {
  const foreign = parseForeignRecord(JSON.stringify({ ...record, ...change }))
  if (!foreign) throw new Error('no record')
  return reconcile(null, foreign, rules)
}
const messageOf = ({ current_message, message_key, message_params }: RequestRecord) => [
  current_message,
  message_key,
  message_params,
]

describe('a foreign write of a message', () => {
  it('a foreign write that changes only the message removes its old key', () => {
    expect(messageOf(putBack(keyed, { current_message: 'حل کپچا...' }))).toEqual([
      'حل کپچا...',
      undefined,
      undefined,
    ])
    const first = putBack(aRecord({ now: T0 }), { status: 'processing', current_message: 'Begun' })
    expect(messageOf(first)).toEqual(['Begun', undefined, undefined])
  })

  it('a foreign write that leaves the message keeps its key', () => {
    expect(messageOf(putBack(keyed, { progress: 30 }))).toEqual(['Page 7', 'page', { page: 7 }])
  })

  it('a foreign write that sets the message key is accepted, with a new or the same message', () => {
    const other = putBack(keyed, { current_message: 'صفحهٔ ۸', message_params: { page: 8 } })
    expect(messageOf(other)).toEqual(['صفحهٔ ۸', 'page', { page: 8 }])
    expect(messageOf(putBack(other, { message_key: 'done', message_params: {} }))).toEqual([
      'صفحهٔ ۸',
      'done',
      {},
    ])
    expect(messageOf(putBack(other, { current_message: 'Only words' }))).toEqual([
      'Only words',
      undefined,
      undefined,
    ])
  })

  it('the public view does not contain the message fingerprint', () => {
    expect(JSON.stringify(toPublicView(keyed, T0))).not.toContain('seal')
    expect(keyed.message_fingerprint).toMatch(/^[\w-]+\.[\w-]+$/)
  })
})

describe('a failure', () => {
  const failure = { code: 'login_refused', message: 'Refused', retryable: false }
  const failed = (more: object) => transition(keyed, { type: 'fail', error: failure, ...more }, rules)

  it('the message key of a failure is its error code or the key that the bot gave', () => {
    expect(failed({})).toMatchObject({ record: { current_message: 'Refused', message_key: 'login_refused' } })
    expect(failed({ message_key: 'other', message_params: { n: 1 } })).toMatchObject({
      record: { message_key: 'other', message_params: { n: 1 }, error_data: failure },
    })
  })
})

describe('an OTP prompt', () => {
  it('an OTP prompt keeps its message key', () => {
    const message = {
      message: 'A code',
      message_key: 'code_sent',
      message_params: { sent_to: '0912***4567' },
    }
    const asked = applyCommands(keyed, [{ type: 'require_otp', attempt: 1, otp: { id: 'o', ...message } }])
    expect(toPublicView(asked, T0)).toMatchObject({
      current_message: 'A code',
      message_key: 'code_sent',
      otp_data: message,
    })
    expect(putBack(asked, { progress: 40 }).otp_data).toMatchObject(message)
  })
})
