// parcel-pickup/definition.ts
import type { ServiceDefinition } from '../core/catalog/service-definition.ts'

export const definition = {
  slug: 'parcel-pickup',
  title: { en: 'Parcel pickup', fa: 'جمع‌آوری مرسوله' },
  description: { en: 'Books a pickup with the carrier.', fa: 'جمع‌آوری مرسوله را نزد شرکت حمل ثبت می‌کند.' },
  icon: '📦',
  fields: [
    {
      name: 'mobile',
      type: 'mobile',
      label: { en: 'Mobile number', fa: 'شمارهٔ تلفن همراه' },
      hint: { en: '11 digits', fa: '۱۱ رقم' },
      example: '09123456789',
    },
  ],
  steps: [
    { id: 'sending_code', title: { en: 'Send the code', fa: 'ارسال کد' }, usual_seconds: 5 },
    { id: 'booking', title: { en: 'Book the pickup', fa: 'ثبت جمع‌آوری' }, usual_seconds: 25 },
  ],
  result: {
    headline: 'parcels',
    fields: [{ name: 'parcels', type: 'number', label: { en: 'Parcels', fa: 'مرسوله‌ها' } }],
  },
  messages: {
    sending_code: { en: 'Having a code sent…', fa: 'در حال ارسال کد…' },
    code_sent: { en: 'The carrier has sent a code.', fa: 'شرکت حمل کدی فرستاد.' },
    booking: {
      en: 'Booking {parcels, plural, one {# parcel} other {# parcels}}…',
      fa: 'در حال ثبت {parcels, number} مرسوله…',
    },
    carrier_unavailable: { en: 'The carrier does not answer.', fa: 'شرکت حمل پاسخ نمی‌دهد.' },
  },
  limit_seconds: 120,
  asks_for_code: true,
  subject: 'mobile',
  queue: { name: 'carrier', concurrency: 5 },
} as const satisfies ServiceDefinition
