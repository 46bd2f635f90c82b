/** Requests in every state, made by the real rules, for tests of pages. */
import { advance, type Change } from '../../core/lifecycle.ts'
import { newRecord } from '../../core/new-record.ts'
import { type PublicView, publicView } from '../../core/record.ts'
import { findService } from '../../core/services/index.ts'

export const T0 = Date.UTC(2026, 5, 1, 12, 0, 0)
export const TTL = 1800
export const HASH = 'req_abcdefghijklmnopqrstu0mpxyz12'
export const CREDIT = findService('credit-score-rating')!

/** What a request looks like after these changes, a second apart. */
export function viewAfter(...changes: Change[]): PublicView {
  let now = T0
  let record = newRecord({
    hash: HASH,
    service: CREDIT,
    requestData: { mobile: 'secret' },
    sessionId: 's',
    now,
    ttlSeconds: TTL,
  })
  for (const change of changes) {
    now += 1000
    const advanced = advance(record, change, { now, ttlSeconds: TTL })
    if (!advanced.ok) throw new Error(`${change.type}: ${advanced.refusal}`)
    record = advanced.record
  }
  return publicView(record, now, record.status === 'pending' ? 3 : null)
}

export const start: Change = { type: 'start', attempt: 1 }
export const progress = {
  type: 'progress',
  attempt: 1,
  progress: 42,
  step: 'captcha_solving',
  message: '<b>حل</b> کپچا',
} satisfies Change
export const askForCode: Change = {
  type: 'require_otp',
  attempt: 1,
  otp: { id: 'otp-1', length: 6, sent_to: '0912***4567' },
}
export const complete = (result: unknown): Change => ({ type: 'complete', attempt: 1, result })
export const fail = (code: string, message: string): Change => ({
  type: 'fail',
  attempt: 1,
  error: { code, message, retryable: true },
})
