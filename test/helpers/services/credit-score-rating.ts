import type { ServiceDefinition } from '../../../core/catalog/service-definition.ts'
import { portalMessages } from './portal-messages.ts'

export const definition = {
  slug: 'credit-score-rating',
  title: { en: 'Credit score', fa: 'رتبهٔ اعتباری' },
  icon: 'gauge',
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
    { id: 'captcha_solving', title: { en: 'Solve the captcha', fa: 'عبور از کد امنیتی' } },
    { id: 'sending_otp', title: { en: 'Request a code', fa: 'درخواست کد' } },
    { id: 'waiting_otp', title: { en: 'Wait for the code', fa: 'انتظار برای کد' } },
    { id: 'verifying_otp', title: { en: 'Check the code', fa: 'بررسی کد' } },
    { id: 'processing_result', title: { en: 'Read the result', fa: 'خواندن نتیجه' } },
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
      { name: 'open_loans', type: 'number', label: { en: 'Open loans', fa: 'وام‌های جاری' } },
      { name: 'bounced_cheques', type: 'number', label: { en: 'Bounced cheques', fa: 'چک‌های برگشتی' } },
      { name: 'reference_number', type: 'text', label: { en: 'Reference number', fa: 'شمارهٔ مرجع' } },
      { name: 'report_date', type: 'date', label: { en: 'Date of the report', fa: 'تاریخ گزارش' } },
      { name: 'full_name', type: 'text', label: { en: 'Name', fa: 'نام' } },
    ],
  },
  messages: {
    ...portalMessages,
    opening_portal: { en: 'Opening the credit portal…', fa: 'در حال باز کردن درگاه اعتبارسنجی…' },
    signing_in: { en: 'Signing in to the credit portal…', fa: 'در حال ورود به درگاه اعتبارسنجی…' },
    solving_captcha: { en: 'Solving the captcha…', fa: 'در حال عبور از کد امنیتی…' },
    solving_captcha_again: {
      en: 'The portal turned the captcha down, trying again ({number, number} of {total, number})…',
      fa: 'درگاه کد امنیتی را نپذیرفت؛ دوباره تلاش می‌کنیم ({number, number} از {total, number})…',
    },
    code_expired: {
      en: 'This code has expired. You can request a new one.',
      fa: 'مهلت این کد تمام شده است. می‌توانید کد جدید بگیرید.',
    },
    waiting_for_right_code: {
      en: 'That code was not right. Waiting for the right one…',
      fa: 'آن کد درست نبود. در انتظار کد درست…',
    },
    reading_report: {
      en: 'The code was right. Reading your report…',
      fa: 'کد درست بود. در حال خواندن گزارش شما…',
    },
    login_refused: {
      en: 'The credit portal did not accept the national code or the mobile number.',
      fa: 'درگاه اعتبارسنجی کد ملی یا شمارهٔ تلفن همراه را نپذیرفت.',
    },
    captcha_failed: {
      en: 'The portal turned the captcha down {tries, plural, one {once} other {# times}}.',
      fa: 'درگاه کد امنیتی را {tries, number} بار نپذیرفت.',
    },
    code_too_late: { en: 'The code came too late for the portal.', fa: 'کد دیر به درگاه رسید.' },
  },
  usual_seconds: 60,
  asks_for_code: true,
  subject: 'mobile',
  queue: { name: 'inquiries' },
  dedupe: 'active',
} as const satisfies ServiceDefinition
