import { defineService } from './service.ts'

export const linkCheck = defineService({
  slug: 'link-check',
  title: { en: 'Link check', fa: 'بررسی پیوندها' },
  description: {
    en: 'Reads a website page by page and lists the links that are broken, moved or slow.',
    fa: 'یک وب‌گاه را صفحه به صفحه می‌خواند و پیوندهای خراب، جابه‌جا شده یا کند را فهرست می‌کند.',
  },
  fields: [
    {
      name: 'url',
      type: 'url',
      label: { en: 'Address of the website', fa: 'نشانی وب‌گاه' },
      hint: {
        en: 'Pages below this address are read, at most 500',
        fa: 'صفحه‌های زیر این نشانی خوانده می‌شوند، حداکثر ۵۰۰',
      },
      example: 'https://example.com/docs/',
    },
  ],
  steps: [
    { id: 'fetching_start_page', title: { en: 'Open the start page', fa: 'باز کردن صفحهٔ آغاز' } },
    { id: 'crawling', title: { en: 'Read the pages', fa: 'خواندن صفحه‌ها' } },
    { id: 'summarizing', title: { en: 'Write the report', fa: 'نوشتن گزارش' } },
  ],
  estimatedSeconds: 60,
  limitSeconds: 300,
  tries: 2,
  backoffSeconds: 5,
  asksForCode: false,
  queue: 'crawls',
})
