import type { ServiceDefinition } from '../../../core/catalog/service-definition.ts'

export const definition = {
  slug: 'three-provider-inquiry',
  title: { en: 'Score from three providers', fa: 'امتیاز از سه ارائه‌دهنده' },
  description: {
    en: 'Asks three providers for your score at the same time and takes the most confident answer. Two of them are enough.',
    fa: 'امتیاز شما هم‌زمان از سه ارائه‌دهنده پرسیده و مطمئن‌ترین پاسخ برگزیده می‌شود. پاسخ دو ارائه‌دهنده کافی است.',
  },
  fields: [
    {
      name: 'national_code',
      type: 'national_code',
      label: { en: 'National code', fa: 'کد ملی' },
      hint: { en: '10 digits', fa: '۱۰ رقم' },
      example: '0012345679',
    },
  ],
  steps: [
    { id: 'asking', title: { en: 'Ask three providers', fa: 'پرسش از سه ارائه‌دهنده' } },
    { id: 'swift', of: 'asking', title: { en: 'Swift', fa: 'تندرو' } },
    { id: 'steady', of: 'asking', title: { en: 'Steady', fa: 'استوار' } },
    { id: 'thorough', of: 'asking', title: { en: 'Thorough', fa: 'موشکاف' } },
    { id: 'comparing', title: { en: 'Compare the answers', fa: 'مقایسهٔ پاسخ‌ها' } },
  ],
  result: {
    headline: 'score',
    fields: [
      { name: 'score', type: 'number', label: { en: 'Score', fa: 'امتیاز' } },
      { name: 'rating', type: 'text', label: { en: 'Rating', fa: 'رتبه' } },
      { name: 'provider', type: 'text', label: { en: 'Provider', fa: 'ارائه‌دهنده' } },
      { name: 'confidence', type: 'number', label: { en: 'Confidence', fa: 'میزان اطمینان' } },
      { name: 'checked_at', type: 'date', label: { en: 'Checked', fa: 'زمان بررسی' } },
      {
        name: 'answered',
        type: 'number',
        label: { en: 'Providers that answered', fa: 'ارائه‌دهندگانی که پاسخ دادند' },
      },
      { name: 'asked', type: 'number', label: { en: 'Providers asked', fa: 'ارائه‌دهندگانی که پرسیده شدند' } },
    ],
  },
  messages: {
    asking_providers: {
      en: 'Asking {providers, plural, one {# provider} other {# providers}} at the same time…',
      fa: 'در حال پرسش هم‌زمان از {providers, number} ارائه‌دهنده…',
    },
    comparing_answers: {
      en: '{answers, plural, one {# answer has} other {# answers have}} come. Comparing them…',
      fa: '{answers, number} پاسخ رسید. در حال مقایسهٔ آن‌ها…',
    },
    too_few_answers: {
      en: 'Fewer than {need, plural, one {# provider} other {# providers}} answered, which is too few to compare.',
      fa: 'کمتر از {need, number} ارائه‌دهنده پاسخ دادند که برای مقایسه کافی نیست.',
    },
  },
  usual_seconds: 10,
  queue: { name: 'inquiries' },
} as const satisfies ServiceDefinition
