import { defineDefinition_ } from 'X'
import { crawlQueue } from '../../../core/catalog/queue-definitions.ts'

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
  headline: 'broken_total',
  resultLabels: {
    start_url: { en: 'Start page', fa: 'صفحهٔ آغاز' },
    pages_checked: { en: 'Pages checked', fa: 'صفحه‌های بررسی‌شده' },
    links_checked: { en: 'Links checked', fa: 'پیوندهای بررسی‌شده' },
    links_not_checked: { en: 'Links not checked', fa: 'پیوندهای بررسی‌نشده' },
    broken: { en: 'Broken', fa: 'خراب' },
    broken_total: { en: 'Broken in total', fa: 'تعداد خراب‌ها' },
    unsure: { en: 'Unsure', fa: 'نامطمئن' },
    unsure_total: { en: 'Unsure in total', fa: 'تعداد نامطمئن‌ها' },
    redirected: { en: 'Redirected', fa: 'جابه‌جا شده' },
    redirected_total: { en: 'Redirected in total', fa: 'تعداد جابه‌جاشده‌ها' },
    slowest: { en: 'Slowest', fa: 'کندترین‌ها' },
    skipped: { en: 'Skipped', fa: 'کنار گذاشته شده' },
    skipped_total: { en: 'Skipped in total', fa: 'تعداد کنارگذاشته‌ها' },
    truncated: { en: 'Truncated', fa: 'ناتمام' },
    truncated_code: { en: 'Truncated code', fa: 'کد ناتمامی' },
    duration_seconds: { en: 'Duration in seconds', fa: 'مدت به ثانیه' },
    url: { en: 'Address', fa: 'نشانی' },
    to: { en: 'Leads to', fa: 'می‌رسد به' },
    status: { en: 'Status', fa: 'وضعیت' },
    code: { en: 'Code', fa: 'کد' },
    reason: { en: 'Reason', fa: 'دلیل' },
    found_on: { en: 'Found on', fa: 'یافته در' },
    also_on: { en: 'Also on', fa: 'همچنین در' },
    milliseconds: { en: 'Milliseconds', fa: 'میلی‌ثانیه' },
  },
  messages: {
    opening_site: { en: 'Opening {host}', fa: 'در حال باز کردن \u2066{host}\u2069' },
    start_page_read: { en: 'The start page was read', fa: 'صفحهٔ آغاز خوانده شد' },
    pages_read: {
      en: '{read, number} of {found, plural, one {# page} other {# pages}} read{left, plural, =0 {} one {, # link left to check} other {, # links left to check}}, {broken, plural, =0 {no broken links} one {# broken link} other {# broken links}} so far',
      fa: '{read, number} از {found, number} صفحه خوانده شد{left, plural, =0 {} other {، # پیوند مانده است}}، {broken, plural, =0 {تا اینجا هیچ پیوند خرابی پیدا نشد} other {تا اینجا # پیوند خراب پیدا شد}}',
    },
    pages_read_last_broken: {
      en: '{read, number} of {found, plural, one {# page} other {# pages}} read{left, plural, =0 {} one {, # link left to check} other {, # links left to check}}, {broken, plural, =0 {no broken links} one {# broken link} other {# broken links}} so far: {page} → {link} ({status, select, 0 {no answer} other {{status, number}}})',
      fa: '{read, number} از {found, number} صفحه خوانده شد{left, plural, =0 {} other {، # پیوند مانده است}}، {broken, plural, =0 {تا اینجا هیچ پیوند خرابی پیدا نشد} other {تا اینجا # پیوند خراب پیدا شد}}: \u2066{page} → {link}\u2069 ({status, select, 0 {بی‌پاسخ} other {{status, number}}})',
    },
    summarizing: {
      en: '{read, plural, one {# page} other {# pages}} read, {broken, plural, =0 {no broken links} one {# broken link} other {# broken links}} found',
      fa: '{read, number} صفحه خوانده شد، {broken, plural, =0 {هیچ پیوند خرابی پیدا نشد} other {# پیوند خراب پیدا شد}}',
    },
    invalid_url: {
      en: 'This is not a web address that can be checked; it must begin with http:// or https://.',
      fa: 'این نشانی وب‌گاهی نیست که بتوان بررسی کرد؛ باید با \u2066http://\u2069 یا \u2066https://\u2069 شروع شود.',
    },
    address_not_allowed: {
      en: 'This address {redirected, select, yes {redirects into} other {is in}} a private network; only sites on the public internet are checked.',
      fa: 'این نشانی {redirected, select, yes {به شبکه‌ای خصوصی می‌رسد} other {در شبکه‌ای خصوصی است}}؛ فقط وب‌گاه‌های اینترنت عمومی بررسی می‌شوند.',
    },
    site_unreachable: {
      en: 'The site could not be reached: {why, select, timed_out {no answer in time} dns_failed {there is no such server name} dns_unavailable {the server name could not be looked up} connection_refused {the server refused the connection} connection_lost {the server closed the connection} unreachable {there is no way to this server} tls_failed {the server has no valid certificate} other {the request failed}}.',
      fa: 'وب‌گاه در دسترس نبود: {why, select, timed_out {به‌موقع پاسخ نداد} dns_failed {سروری با این نام وجود ندارد} dns_unavailable {نام سرور پیدا نشد} connection_refused {سرور ارتباط را نپذیرفت} connection_lost {سرور ارتباط را بست} unreachable {راهی به این سرور نیست} tls_failed {سرور گواهی معتبری ندارد} other {درخواست ناموفق بود}}.',
    },
    start_page_failed: {
      en: 'The start page could not be opened: {why, select, bad_answer {the server did not answer in proper HTTP} bad_redirect {redirects to no valid address} redirect_loop {redirects in a circle} too_many_redirects {redirects too many times} other {not checked: leads to something else than a web page}}.',
      fa: 'صفحهٔ آغاز باز نشد: {why, select, bad_answer {پاسخ سرور \u2066HTTP\u2069 درست نیست} bad_redirect {به نشانی نامعتبری هدایت می‌کند} redirect_loop {در یک حلقه هدایت می‌کند} too_many_redirects {بارها هدایت می‌کند} other {به چیزی جز صفحهٔ وب می‌رسد}}.',
    },
    start_page_answers: {
      en: 'The start page answers {answer}.',
      fa: 'صفحهٔ آغاز با خطا پاسخ داد: \u2066{answer}\u2069',
    },
    not_html: {
      en: 'This address leads to something that is no HTML page, so there are no links to check.',
      fa: 'این نشانی به چیزی می‌رسد که صفحهٔ \u2066HTML\u2069 نیست؛ پس پیوندی برای بررسی ندارد.',
    },
  },
  usual_seconds: 60,
  limit_seconds: 300,
  tries: 2,
  backoff: { type: 'exponential', seconds: 5, jitter: 0.2 },
  queue: crawlQueue,
})
