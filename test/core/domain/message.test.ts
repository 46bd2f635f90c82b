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

/** The record after another program has read it, changed it and put it back; nothing of ours is remembered. */
function putBack(record: RequestRecord, change: Record<string, unknown>): RequestRecord {
  const theirs = parseForeignRecord(JSON.stringify({ ...record, ...change }))
  if (!theirs) throw new Error('no record')
  return reconcile(null, theirs, rules)
}
const saidIn = ({ current_message, message_key, message_params }: RequestRecord) => [
  current_message,
  message_key,
  message_params,
]

describe('a program that writes a record back', () => {
  it('and changed only the words takes the key of ours away that no longer belongs to them', () => {
    expect(saidIn(putBack(keyed, { current_message: 'حل کپچا...' }))).toEqual([
      'حل کپچا...',
      undefined,
      undefined,
    ])
    const first = putBack(aRecord({ now: T0 }), { status: 'processing', current_message: 'Begun' })
    expect(saidIn(first)).toEqual(['Begun', undefined, undefined])
  })

  it('and left the message alone keeps it with its key', () => {
    expect(saidIn(putBack(keyed, { progress: 30 }))).toEqual(['Page 7', 'page', { page: 7 }])
  })

  it('and knows keys is believed, with words of its own or with the same', () => {
    const other = putBack(keyed, { current_message: 'صفحهٔ ۸', message_params: { page: 8 } })
    expect(saidIn(other)).toEqual(['صفحهٔ ۸', 'page', { page: 8 }])
    expect(saidIn(putBack(other, { message_key: 'done', message_params: {} }))).toEqual([
      'صفحهٔ ۸',
      'done',
      {},
    ])
    expect(saidIn(putBack(other, { current_message: 'Only words' }))).toEqual([
      'Only words',
      undefined,
      undefined,
    ])
  })

  it('never puts the fingerprint into what is shown', () => {
    expect(JSON.stringify(toPublicView(keyed, T0))).not.toContain('seal')
    expect(keyed.message_fingerprint).toMatch(/^[\w-]+\.[\w-]+$/)
  })
})

describe('a failure', () => {
  const failure = { code: 'login_refused', message: 'Refused', retryable: false }
  const failed = (more: object) => transition(keyed, { type: 'fail', error: failure, ...more }, rules)

  it('is said under its code, or under the key that the bot gave', () => {
    expect(failed({})).toMatchObject({ record: { current_message: 'Refused', message_key: 'login_refused' } })
    expect(failed({ message_key: 'other', message_params: { n: 1 } })).toMatchObject({
      record: { message_key: 'other', message_params: { n: 1 }, error_data: failure },
    })
  })
})

describe('a question for a code', () => {
  it('keeps the key of its message, for the person who is asked', () => {
    const told = { message: 'A code', message_key: 'code_sent', message_params: { sent_to: '0912***4567' } }
    const asked = applyCommands(keyed, [{ type: 'require_otp', attempt: 1, otp: { id: 'o', ...told } }])
    expect(toPublicView(asked, T0)).toMatchObject({
      current_message: 'A code',
      message_key: 'code_sent',
      otp_data: told,
    })
    expect(putBack(asked, { progress: 40 }).otp_data).toMatchObject(told)
  })
})
