/** Messages of all services at the portal. */
import type { Text } from '../../../core/catalog/text.ts'

export const portalMessages = {
  having_code_sent: {
    en: 'Requesting a code for {sent_to}…',
    fa: 'در حال درخواست کد برای \u2066{sent_to}\u2069…',
  },
  code_sent: {
    en: 'The portal has sent a code to {sent_to}.',
    fa: 'درگاه کدی به \u2066{sent_to}\u2069 فرستاد.',
  },
  code_of_digits_sent: {
    en: 'The portal has sent a {digits, number}-digit code to {sent_to}.',
    fa: 'درگاه کدی {digits, number} رقمی به \u2066{sent_to}\u2069 فرستاد.',
  },
  having_another_sent: {
    en: 'Requesting another code for {sent_to}…',
    fa: 'در حال درخواست کد جدید برای \u2066{sent_to}\u2069…',
  },
  another_sent: {
    en: 'The portal has sent another code to {sent_to}. The one before no longer works.',
    fa: 'درگاه کد جدیدی به \u2066{sent_to}\u2069 فرستاد. کد پیشین دیگر کار نمی‌کند.',
  },
  checking_code: { en: 'Checking your code at the portal…', fa: 'درگاه در حال بررسی کد شماست…' },
  code_wrong: { en: 'The portal says that this code is not right.', fa: 'درگاه می‌گوید این کد درست نیست.' },
  portal_unavailable: {
    en: '{why, select, late {The portal did not answer in time.} broken {The portal is out of order.} other {The portal could not be reached.}}',
    fa: '{why, select, late {درگاه به‌موقع پاسخ نداد.} broken {درگاه از کار افتاده است.} other {درگاه در دسترس نبود.}}',
  },
  portal_changed: {
    en: 'The portal is not as we know it, so we cannot go on.',
    fa: 'درگاه تغییر کرده است و نمی‌توانیم ادامه دهیم.',
  },
  portal_session_ended: { en: 'The portal ended the session.', fa: 'درگاه به نشست پایان داد.' },
} as const satisfies Record<string, Text>
