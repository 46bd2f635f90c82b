// core/catalog/parcel-pickup.ts
import { defineService } from './define-service.ts'
import { inquiryQueue } from './queue-definitions.ts'

export const parcelPickup = defineService({
  slug: 'parcel-pickup',
  title: { en: 'Parcel pickup', fa: 'جمع‌آوری مرسوله' },
  description: { en: 'Books a pickup with the carrier.', fa: 'جمع‌آوری مرسوله را نزد شرکت حمل ثبت می‌کند.' },
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
    { id: 'sending_code', title: { en: 'Send the code', fa: 'ارسال کد' } },
    { id: 'booking', title: { en: 'Book the pickup', fa: 'ثبت جمع‌آوری' } },
  ],
  messages: {
    sending_code: { en: 'Having a code sent…', fa: 'در حال ارسال کد…' },
    code_sent: { en: 'The carrier has sent a code.', fa: 'شرکت حمل کدی فرستاد.' },
    booking: {
      en: 'Booking {parcels, plural, one {# parcel} other {# parcels}}…',
      fa: 'در حال ثبت {parcels, number} مرسوله…',
    },
    carrier_unavailable: { en: 'The carrier does not answer.', fa: 'شرکت حمل پاسخ نمی‌دهد.' },
  },
  resultLabels: { parcels: { en: 'Parcels', fa: 'مرسوله‌ها' } },
  headline: 'parcels',
  estimatedSeconds: 30,
  limitSeconds: 120,
  tries: 3,
  backoff: { type: 'exponential', seconds: 5, maxSeconds: 60, jitter: 0.2 },
  usesOtp: true,
  subject: 'mobile',
  queue: inquiryQueue,
  priority: 5,
})
