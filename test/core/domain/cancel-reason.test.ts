import { expect, test } from 'vitest'
import { toCancelReason } from '../../../core/domain/cancel-reason.ts'
import { transition } from '../../../core/domain/state-machine.ts'
import { aRecord, TTL_SECONDS } from '../../helpers/record.ts'

test('a reason is one line of at most 200 characters, without control characters', () => {
  expect(toCancelReason(' The carrier\r\nis \u0007closed \u202etoday. ')).toBe('The carrier is closed today.')
  expect(toCancelReason('می\u200cفرستیم')).toBe('می\u200cفرستیم')
  expect([...(toCancelReason('🙂'.repeat(300)) ?? '')]).toHaveLength(200)
  expect(toCancelReason(' \n ')).toBeUndefined()
  expect(toCancelReason(undefined)).toBeUndefined()
})

test('only the reason of an operator is kept', () => {
  const record = aRecord()
  const reasonBy = (by: 'user' | 'operator') => {
    const context = { now: Date.now(), ttlSeconds: TTL_SECONDS }
    const result = transition(record, { type: 'cancel', by, reason: 'Closed today.' }, context)
    return result.ok && result.record.cancel_reason
  }
  expect(reasonBy('operator')).toBe('Closed today.')
  expect(reasonBy('user')).toBeUndefined()
})
