import { expect, test } from 'vitest'
import { toIso } from '../../../core/domain/iso-time.ts'
import type { OtpPrompt } from '../../../core/domain/otp-data.ts'
import { toPublicView } from '../../../core/domain/record.ts'
import { isResending, resendNote } from '../../../core/presentation/resend-note.ts'
import { applyCommands, aRecord, REQUIRE_OTP, START, T0 } from '../../helpers/record.ts'

const first = toPublicView(applyCommands(aRecord({ now: T0 }), [START, REQUIRE_OTP]), T0)
  .otp_data as OtpPrompt
const requested = {
  ...first,
  resends_left: 4,
  resend_requested: true,
  resend_available_at: toIso(T0 + 60_000),
}
const another = { ...requested, id: 'otp-2', resend_requested: false, message: 'Another one.' }
const noteOf = (prompt: OtpPrompt, now = T0) =>
  resendNote(prompt, { onItsWay: 'On its way.', read: ({ message }) => message ?? '', now })

test('the first code has no note', () => {
  expect(noteOf({ ...first, message: 'A code was sent.' })).toBeNull()
})

test('another code is on its way until the bot asks with it, or yet another one may be requested', () => {
  expect(noteOf(requested)).toBe('On its way.')
  expect(isResending(requested, T0 + 60_000)).toBe(false)
  expect(noteOf(requested, T0 + 60_000)).toBeNull()
})

test('a wrong code says more than that another one is on its way', () => {
  expect(noteOf({ ...requested, error: { code: 'otp_rejected', message: '' } })).toBeNull()
})

test("the note of another code is the bot's", () => {
  expect(noteOf(another)).toBe('Another one.')
  expect(noteOf({ ...another, message: null })).toBeNull()
})

test('another picture has no note: its question is the title', () => {
  expect(noteOf({ ...another, kind: 'image' })).toBeNull()
})
