import type { ServiceDefinition } from '../../../core/catalog/service-definition.ts'
import { portalMessages } from '../portal/messages.ts'

export const definition = {
  slug: 'account-statement',
  title: { en: 'Account statement', fa: 'صورت‌حساب بانکی' },
  icon: 'document',
  description: {
    en: 'Fetches the latest transactions of an account.',
    fa: 'آخرین تراکنش‌های حساب شما گرفته می‌شود.',
  },
  fields: [
    {
      name: 'account_number',
      type: 'account_number',
      label: { en: 'Account number', fa: 'شمارهٔ حساب' },
      hint: { en: '10 to 16 digits', fa: '۱۰ تا ۱۶ رقم' },
      example: '1234567890123',
    },
    {
      name: 'mobile',
      type: 'mobile',
      label: { en: 'Mobile number', fa: 'شمارهٔ تلفن همراه' },
      hint: { en: '11 digits, starting with 09', fa: '۱۱ رقم که با ۰۹ شروع می‌شود' },
      example: '09123456789',
    },
  ],
  steps: [
    { id: 'signing_in', title: { en: 'Sign in to the portal', fa: 'ورود به درگاه' } },
    { id: 'sending_otp', title: { en: 'Request a code', fa: 'درخواست کد' } },
    { id: 'waiting_otp', title: { en: 'Wait for the code', fa: 'انتظار برای کد' } },
    { id: 'verifying_otp', title: { en: 'Check the code', fa: 'بررسی کد' } },
    { id: 'reading_statement', title: { en: 'Read the statement', fa: 'خواندن صورت‌حساب' } },
  ],
  result: {
    headline: 'closing_balance',
    fields: [
      { name: 'account_number', type: 'text', label: { en: 'Account number', fa: 'شمارهٔ حساب' } },
      { name: 'holder', type: 'text', label: { en: 'Holder', fa: 'صاحب حساب' } },
      { name: 'first_day', type: 'date', label: { en: 'From', fa: 'از تاریخ' } },
      { name: 'last_day', type: 'date', label: { en: 'To', fa: 'تا تاریخ' } },
      {
        name: 'closing_balance',
        type: 'money',
        label: { en: 'Closing balance', fa: 'ماندهٔ پایانی' },
        currency: 'currency',
      },
      { name: 'reference_number', type: 'text', label: { en: 'Statement number', fa: 'شمارهٔ صورت‌حساب' } },
      {
        name: 'lines',
        type: 'table',
        label: { en: 'Transactions', fa: 'تراکنش‌ها' },
        plot: { x: 'date', y: 'balance' },
        columns: [
          { name: 'date', type: 'date', label: { en: 'Date', fa: 'تاریخ' } },
          { name: 'description', type: 'text', label: { en: 'Description', fa: 'شرح' } },
          { name: 'amount', type: 'money', label: { en: 'Amount', fa: 'مبلغ' }, currency: 'currency' },
          { name: 'balance', type: 'money', label: { en: 'Balance', fa: 'مانده' }, currency: 'currency' },
        ],
      },
    ],
  },
  messages: {
    ...portalMessages,
    opening_portal: { en: 'Opening the portal…', fa: 'در حال باز کردن درگاه…' },
    signing_in: {
      en: 'Signing in with the account number…',
      fa: 'در حال ورود با شمارهٔ حساب…',
    },
    late_having_another_sent: {
      en: 'That code came too late for the portal. Requesting another code for {sent_to}…',
      fa: 'آن کد دیر به درگاه رسید. در حال درخواست کد جدید برای \u2066{sent_to}\u2069…',
    },
    reading_statement: {
      en: 'The code was right. Reading the statement…',
      fa: 'کد درست بود. در حال خواندن صورت‌حساب…',
    },
    login_refused: {
      en: 'The portal did not accept the account number or the mobile number.',
      fa: 'درگاه شمارهٔ حساب یا شمارهٔ تلفن همراه را نپذیرفت.',
    },
  },
  usual_seconds: 45,
  asks_for_code: true,
  subject: 'mobile',
  queue: { name: 'inquiries' },
} as const satisfies ServiceDefinition
