import type { ServiceDefinition } from '../../../core/catalog/service-definition.ts'

const PROVIDERS = [
  { value: 'swift', label: { en: 'Swift', fa: 'چابک' } },
  { value: 'steady', label: { en: 'Steady', fa: 'استوار' } },
  { value: 'thorough', label: { en: 'Thorough', fa: 'موشکاف' } },
] as const

export const definition = {
  slug: 'three-provider-inquiry',
  title: { en: 'Score from three providers', fa: 'امتیاز از سه مرجع' },
  icon: 'scales',
  description: {
    en: 'Asks three providers for your score at the same time and takes the most confident answer. Two of them are enough.',
    fa: 'امتیاز شما هم‌زمان از سه مرجع پرسیده و مطمئن‌ترین پاسخ برگزیده می‌شود. پاسخ دو مرجع کافی است.',
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
    { id: 'asking', title: { en: 'Ask three providers', fa: 'پرسش از سه مرجع' } },
    { id: 'swift', of: 'asking', title: { en: 'Swift', fa: 'چابک' } },
    { id: 'steady', of: 'asking', title: { en: 'Steady', fa: 'استوار' } },
    { id: 'thorough', of: 'asking', title: { en: 'Thorough', fa: 'موشکاف' } },
    { id: 'comparing', title: { en: 'Compare the answers', fa: 'مقایسهٔ پاسخ‌ها' } },
  ],
  result: {
    headline: 'score',
    fields: [
      {
        name: 'score',
        type: 'number',
        label: { en: 'Score', fa: 'امتیاز' },
        scale: 900,
        ranges: [
          { from: 0, label: { en: 'Very poor', fa: 'خیلی ضعیف' }, tone: 'poor' },
          { from: 250, label: { en: 'Poor', fa: 'ضعیف' }, tone: 'poor' },
          { from: 450, label: { en: 'Fair', fa: 'متوسط' }, tone: 'fair' },
          { from: 600, label: { en: 'Good', fa: 'خوب' }, tone: 'good' },
          { from: 720, label: { en: 'Very good', fa: 'خیلی خوب' }, tone: 'good' },
        ],
      },
      { name: 'rating', type: 'text', label: { en: 'Rating', fa: 'رتبه' } },
      { name: 'provider', type: 'choice', label: { en: 'Taken from', fa: 'برگرفته از' }, options: PROVIDERS },
      {
        name: 'chosen_because',
        type: 'choice',
        label: { en: 'Why this one', fa: 'دلیل انتخاب' },
        options: [
          {
            value: 'most_confident',
            label: { en: 'Most confident of the answers', fa: 'مطمئن‌ترین پاسخ بود' },
          },
        ],
      },
      { name: 'confidence', type: 'percent', label: { en: 'Confidence', fa: 'میزان اطمینان' } },
      { name: 'checked_at', type: 'date', label: { en: 'Checked', fa: 'زمان بررسی' } },
      {
        name: 'providers',
        type: 'table',
        label: { en: 'What the providers answered', fa: 'پاسخ مراجع' },
        columns: [
          {
            name: 'provider',
            type: 'choice',
            label: { en: 'Provider', fa: 'مرجع' },
            options: PROVIDERS,
          },
          {
            name: 'outcome',
            type: 'choice',
            label: { en: 'Answer', fa: 'پاسخ' },
            options: [
              { value: 'taken', label: { en: 'Taken', fa: 'انتخاب شد' } },
              { value: 'answered', label: { en: 'Less confident', fa: 'اطمینان کمتر' } },
              { value: 'not_needed', label: { en: 'Not needed', fa: 'لازم نشد' } },
              { value: 'failed', label: { en: 'No answer', fa: 'بی‌پاسخ' } },
            ],
          },
          { name: 'score', type: 'number', label: { en: 'Score', fa: 'امتیاز' } },
          { name: 'confidence', type: 'percent', label: { en: 'Confidence', fa: 'میزان اطمینان' } },
          { name: 'seconds', type: 'duration', label: { en: 'Took', fa: 'مدت' } },
        ],
      },
    ],
  },
  messages: {
    asking_providers: {
      en: 'Asking {providers, plural, one {# provider} other {# providers}} at the same time…',
      fa: 'در حال پرسش هم‌زمان از {providers, number} مرجع…',
    },
    comparing_answers: {
      en: '{answers, plural, one {# answer has} other {# answers have}} come. Comparing them…',
      fa: '{answers, number} پاسخ رسید. در حال مقایسهٔ آن‌ها…',
    },
    too_few_answers: {
      en: 'Fewer than {need, plural, one {# provider} other {# providers}} answered, which is too few to compare.',
      fa: 'کمتر از {need, number} مرجع پاسخ دادند که برای مقایسه کافی نیست.',
    },
  },
  usual_seconds: 10,
  queue: { name: 'inquiries' },
} as const satisfies ServiceDefinition
