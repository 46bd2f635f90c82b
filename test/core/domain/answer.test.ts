import { describe, expect, it } from 'vitest'
import { describeAnswerFault, normalizeAnswer } from '../../../core/domain/answer.ts'
import type { OtpRequest } from '../../../core/domain/otp-prompt.ts'
import { toPublicView } from '../../../core/domain/record.ts'
import { transition } from '../../../core/domain/state-machine.ts'
import { PNG } from '../../helpers/pictures.ts'
import { applyCommands, aRecord, START, T0, TTL_SECONDS } from '../../helpers/record.ts'

const OPTIONS = [
  { value: 'savings', label: 'Savings' },
  { value: 'no', label: { en: 'None', fa: 'هیچ‌کدام' } },
]
const started = applyCommands(aRecord({ now: T0 }), [START], T0)
const ask = (otp: Omit<OtpRequest, 'id'>) =>
  ({ type: 'require_otp', attempt: 1, otp: { id: 'q', ...otp } }) as const
const asked = (otp: Omit<OtpRequest, 'id'>) => applyCommands(started, [ask(otp)], T0)
const submit = (otp: string) => ({ type: 'submit_otp', otp }) as const
const REJECT = { type: 'reject_otp', attempt: 1 } as const

describe('the form of an answer', () => {
  it.each([
    [{ kind: 'text' }, 'a'],
    [{ kind: 'text' }, 'x'.repeat(200)],
    [{ kind: 'text', max_length: 3 }, ' abc '],
    [{ kind: 'text' }, 'نشانی‌ام ۵'],
    [{ kind: 'choice', options: OPTIONS }, 'savings'],
    [{ kind: 'confirm' }, 'yes'],
    [{ kind: 'confirm' }, 'no'],
    [{ kind: 'image' }, 'x'.repeat(50)],
    [{ length: 4 }, '1234'],
    [{ kind: 'code', length: 4 }, '۱۲۳۴'],
  ] as const)('%j accepts %j', (question, typed) => {
    expect(describeAnswerFault(question, typed)).toBeNull()
  })

  it.each([
    [{ kind: 'text' }, '', 'The answer is empty.'],
    [{ kind: 'text' }, ' \u200f ', 'The answer is empty.'],
    [{ kind: 'text' }, 'x'.repeat(201), 'The answer has at most 200 characters.'],
    [{ kind: 'text', max_length: 3 }, 'abcd', 'The answer has at most 3 characters.'],
    [{ kind: 'text' }, 'a\nb', 'The answer is one line without control characters.'],
    [{ kind: 'text' }, 'a\u0000b', 'The answer is one line without control characters.'],
    [{ kind: 'choice', options: OPTIONS }, 'Savings', 'The answer is the value of one of the options.'],
    [{ kind: 'choice', options: OPTIONS }, '', 'The answer is the value of one of the options.'],
    [{ kind: 'confirm' }, 'maybe', 'The answer is "yes" or "no".'],
    [{ kind: 'confirm' }, 'true', 'The answer is "yes" or "no".'],
    [{ kind: 'image' }, 'x'.repeat(51), 'The answer has at most 50 characters.'],
    [{ length: 4 }, '12345', 'The code has 4 digits; you typed 5.'],
  ] as const)('%j refuses %j', (question, typed, detail) => {
    expect(describeAnswerFault(question, typed)).toBe(detail)
  })

  it('text is handed over trimmed, a value of a choice as it is', () => {
    expect(normalizeAnswer({ kind: 'text' }, '  a b ')).toBe('a b')
    expect(normalizeAnswer({ kind: 'choice' }, ' a ')).toBe(' a ')
    expect(normalizeAnswer({ kind: 'code', length: 4 }, 'Code: ۱۲۳۴')).toBe('1234')
  })
})

describe('the view of a question', () => {
  it.each([
    [{}, { kind: 'code', length: null }],
    [
      { kind: 'text', length: 6 },
      { kind: 'text', length: null, max_length: 200 },
    ],
    [
      { kind: 'choice', options: OPTIONS },
      { kind: 'choice', options: OPTIONS, resend_available_at: null },
    ],
    [
      { kind: 'confirm', decline_label: 'Later' },
      { kind: 'confirm', decline_label: 'Later', resend_available_at: null },
    ],
  ] as const)('a question %j is shown as %j', (question, expected) => {
    expect(toPublicView(asked(question), T0).otp_data).toMatchObject(expected)
  })

  it('a prompt without a kind, as an older version stored it, is one for a code', () => {
    const record = asked({ length: 6 })
    const { kind: _kind, ...older } = record.otp_data!
    expect(toPublicView({ ...record, otp_data: older }, T0).otp_data).toEqual(
      toPublicView(record, T0).otp_data,
    )
  })

  it('the picture is no part of the view', () => {
    expect(JSON.stringify(toPublicView(asked({ kind: 'image', image: PNG }), T0))).not.toContain(PNG)
  })
})

describe('limits', () => {
  it('an answer of the wrong form costs no try', () => {
    const record = asked({ kind: 'confirm' })
    const result = transition(record, submit('maybe'), { now: T0, ttlSeconds: TTL_SECONDS })
    expect(result).toEqual({ ok: false, rejection: 'invalid_otp' })
  })

  it('a rejected answer costs a try of its question, the last one ends the request', () => {
    let record = asked({ kind: 'text' })
    for (const left of [2, 1]) {
      record = applyCommands(record, [submit('a'), REJECT], T0)
      expect(record).toMatchObject({
        status: 'otp_required',
        message_key: 'answer_rejected',
        otp_data: { kind: 'text', attempts_left: left, error: { message: 'That answer was not accepted.' } },
      })
    }
    record = applyCommands(record, [submit('a'), REJECT], T0)
    expect(record).toMatchObject({ status: 'failed', error_data: { code: 'otp_attempts_exhausted' } })
  })

  it('other questions use up no tries of codes, and codes no tries of other questions', () => {
    const record = applyCommands(
      asked({ length: 4 }),
      [
        submit('1111'),
        ask({ kind: 'text' }),
        submit('a'),
        ask({ kind: 'choice', options: OPTIONS }),
        submit('no'),
      ],
      T0,
    )
    expect(applyCommands(record, [ask({ kind: 'text' })], T0).otp_data).toMatchObject({ attempts_left: 3 })
    expect(applyCommands(record, [ask({ length: 4 })], T0).otp_data).toMatchObject({ attempts_left: 2 })
  })

  it('another picture can be requested after 5 s, then after 10 s, five times in all', () => {
    const image = ask({ kind: 'image', image: PNG })
    let record = applyCommands(started, [image], T0)
    let now = T0
    const resend = () => transition(record, { type: 'resend_otp' }, { now, ttlSeconds: TTL_SECONDS })
    for (const seconds of [5, 10, 20, 40, 80]) {
      now += seconds * 1000 - 1
      expect(resend()).toEqual({ ok: false, rejection: 'resend_not_yet' })
      now += 1
      record = applyCommands(record, [{ type: 'resend_otp' }, image], now)
    }
    now += 3_600_000
    expect(resend()).toEqual({ ok: false, rejection: 'resend_exhausted' })
  })
})
