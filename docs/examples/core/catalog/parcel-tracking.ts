// core/catalog/parcel-tracking.ts
import { defineService } from './define-service.ts'
import { inquiryQueue } from './queue-definitions.ts'

export const parcelTracking = defineService({
  slug: 'parcel-tracking',
  title: { en: 'Parcel tracking', fa: 'پیگیری مرسوله' },
  description: { en: 'Asks the carrier where your parcels are.', fa: 'محل مرسوله‌های شما از شرکت حمل پرسیده می‌شود.' },
  fields: [{ name: 'mobile', type: 'mobile', label: { en: 'Mobile', fa: 'موبایل' }, hint: { en: '11 digits', fa: '۱۱ رقم' }, example: '09123456789' }],
  steps: [{ id: 'asking', title: { en: 'Ask the carrier', fa: 'پرسش از شرکت حمل' } }],
  estimatedSeconds: 30, tries: 3, backoff: { type: 'fixed', seconds: 5 }, usesOtp: false, queue: inquiryQueue,
})
