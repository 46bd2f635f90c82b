import { defineService } from './service.ts'

export const creditScoreRating = defineService({
  slug: 'credit-score-rating',
  title: { en: 'Credit score', fa: 'رتبهٔ اعتباری' },
  description: {
    en: 'Asks the credit portal for your score. The portal sends a code to your mobile; you type it here.',
    fa: 'رتبهٔ اعتباری شما از درگاه اعتبارسنجی گرفته می‌شود. درگاه کدی به تلفن همراه شما می‌فرستد که اینجا وارد می‌کنید.',
  },
  fields: [
    {
      name: 'mobile',
      type: 'mobile',
      label: { en: 'Mobile number', fa: 'شمارهٔ تلفن همراه' },
      hint: { en: '11 digits, starting with 09', fa: '۱۱ رقم که با ۰۹ شروع می‌شود' },
      example: '09123456789',
    },
    {
      name: 'national_code',
      type: 'national_code',
      label: { en: 'National code', fa: 'کد ملی' },
      hint: { en: '10 digits', fa: '۱۰ رقم' },
      example: '0012345679',
    },
  ],
  steps: [
    { id: 'authentication', title: { en: 'Sign in to the portal', fa: 'ورود به درگاه' } },
    { id: 'captcha_solving', title: { en: 'Solve the captcha', fa: 'حل کپچا' } },
    { id: 'sending_otp', title: { en: 'Have a code sent', fa: 'درخواست ارسال کد' } },
    { id: 'waiting_otp', title: { en: 'Wait for your code', fa: 'انتظار برای کد شما' } },
    { id: 'verifying_otp', title: { en: 'Check the code', fa: 'بررسی کد' } },
    { id: 'processing_result', title: { en: 'Read the result', fa: 'خواندن نتیجه' } },
  ],
  resultLabels: {
    score: { en: 'Score', fa: 'امتیاز' },
    rating: { en: 'Rating', fa: 'رتبه' },
    open_loans: { en: 'Open loans', fa: 'وام‌های جاری' },
    bounced_cheques: { en: 'Bounced cheques', fa: 'چک‌های برگشتی' },
    reference_number: { en: 'Reference number', fa: 'شمارهٔ مرجع' },
    report_date: { en: 'Date of the report', fa: 'تاریخ گزارش' },
    full_name: { en: 'Name', fa: 'نام' },
  },
  estimatedSeconds: 60,
  tries: 3,
  backoffSeconds: 5,
  asksForCode: true,
  queue: 'inquiries',
  dedupe: 'active',
})
