import type { ServiceDefinition } from '../../../core/catalog/service-definition.ts'

export const definition = {
  slug: 'link-check',
  title: { en: 'Link check', fa: 'بررسی پیوندها' },
  icon: 'link',
  description: {
    en: 'Reads a website page by page and lists the links that are broken, moved or slow.',
    fa: 'وب‌گاه صفحه‌به‌صفحه خوانده و پیوندهای خراب، جابه‌جاشده یا کند فهرست می‌شود.',
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
    { id: 'fetching_start_page', title: { en: 'Open the start page', fa: 'باز کردن صفحهٔ نخست' } },
    { id: 'crawling', title: { en: 'Check pages and links', fa: 'بررسی صفحه‌ها و پیوندها' } },
    { id: 'summarizing', title: { en: 'Write the report', fa: 'نوشتن گزارش' } },
  ],
  result: {
    headline: 'broken_total',
    fields: [
      { name: 'start_url', type: 'url', label: { en: 'Start page', fa: 'صفحهٔ نخست' } },
      { name: 'pages_checked', type: 'number', label: { en: 'Pages checked', fa: 'صفحه‌های بررسی‌شده' } },
      { name: 'links_checked', type: 'number', label: { en: 'Links checked', fa: 'پیوندهای بررسی‌شده' } },
      {
        name: 'links_not_checked',
        type: 'number',
        label: { en: 'Links not checked', fa: 'پیوندهای بررسی‌نشده' },
      },
      {
        name: 'broken',
        type: 'table',
        label: { en: 'Broken', fa: 'خراب' },
        columns: [
          { name: 'url', type: 'url', label: { en: 'Address', fa: 'نشانی' } },
          { name: 'status', type: 'number', label: { en: 'Status', fa: 'وضعیت' } },
          { name: 'code', type: 'text', label: { en: 'Code', fa: 'کد' } },
          { name: 'reason', type: 'text', label: { en: 'Reason', fa: 'دلیل' } },
          { name: 'found_on', type: 'url', label: { en: 'Found on', fa: 'صفحه' } },
          { name: 'also_on', type: 'number', label: { en: 'Also on', fa: 'در صفحه‌های دیگر' } },
        ],
      },
      { name: 'broken_total', type: 'number', label: { en: 'Broken in total', fa: 'تعداد خراب‌ها' } },
      {
        name: 'unsure',
        type: 'table',
        label: { en: 'Unsure', fa: 'نامطمئن' },
        columns: [
          { name: 'url', type: 'url', label: { en: 'Address', fa: 'نشانی' } },
          { name: 'status', type: 'number', label: { en: 'Status', fa: 'وضعیت' } },
          { name: 'code', type: 'text', label: { en: 'Code', fa: 'کد' } },
          { name: 'reason', type: 'text', label: { en: 'Reason', fa: 'دلیل' } },
          { name: 'found_on', type: 'url', label: { en: 'Found on', fa: 'صفحه' } },
          { name: 'also_on', type: 'number', label: { en: 'Also on', fa: 'در صفحه‌های دیگر' } },
        ],
      },
      { name: 'unsure_total', type: 'number', label: { en: 'Unsure in total', fa: 'تعداد نامطمئن‌ها' } },
      {
        name: 'redirected',
        type: 'table',
        label: { en: 'Redirected', fa: 'جابه‌جاشده' },
        columns: [
          { name: 'url', type: 'url', label: { en: 'Address', fa: 'نشانی' } },
          { name: 'to', type: 'url', label: { en: 'Leads to', fa: 'مقصد' } },
          { name: 'status', type: 'number', label: { en: 'Status', fa: 'وضعیت' } },
          { name: 'found_on', type: 'url', label: { en: 'Found on', fa: 'صفحه' } },
          { name: 'also_on', type: 'number', label: { en: 'Also on', fa: 'در صفحه‌های دیگر' } },
        ],
      },
      {
        name: 'redirected_total',
        type: 'number',
        label: { en: 'Redirected in total', fa: 'تعداد جابه‌جاشده‌ها' },
      },
      {
        name: 'slowest',
        type: 'table',
        label: { en: 'Slowest', fa: 'کندترین‌ها' },
        columns: [
          { name: 'url', type: 'url', label: { en: 'Address', fa: 'نشانی' } },
          { name: 'milliseconds', type: 'number', label: { en: 'Milliseconds', fa: 'میلی‌ثانیه' } },
        ],
      },
      {
        name: 'skipped',
        type: 'table',
        label: { en: 'Skipped', fa: 'کنارگذاشته‌شده' },
        columns: [
          { name: 'url', type: 'url', label: { en: 'Address', fa: 'نشانی' } },
          { name: 'reason', type: 'text', label: { en: 'Reason', fa: 'دلیل' } },
        ],
      },
      {
        name: 'skipped_total',
        type: 'number',
        label: { en: 'Skipped in total', fa: 'تعداد کنارگذاشته‌شده‌ها' },
      },
      { name: 'truncated', type: 'text', label: { en: 'Truncated', fa: 'ناتمام' } },
      { name: 'truncated_code', type: 'text', label: { en: 'Truncated code', fa: 'کد ناتمامی' } },
      { name: 'duration_seconds', type: 'number', label: { en: 'Duration in seconds', fa: 'مدت به ثانیه' } },
    ],
  },
  messages: {
    opening_site: { en: 'Opening {host}', fa: 'در حال باز کردن \u2066{host}\u2069' },
    start_page_read: { en: 'The start page was read', fa: 'صفحهٔ نخست خوانده شد' },
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
      fa: 'صفحهٔ نخست باز نشد: {why, select, bad_answer {پاسخ سرور \u2066HTTP\u2069 درست نیست} bad_redirect {به نشانی نامعتبری هدایت می‌کند} redirect_loop {در یک حلقه هدایت می‌کند} too_many_redirects {بارها هدایت می‌کند} other {به چیزی جز صفحهٔ وب می‌رسد}}.',
    },
    start_page_answers: {
      en: 'The start page answers {answer}.',
      fa: 'صفحهٔ نخست با خطا پاسخ داد: \u2066{answer}\u2069',
    },
    not_html: {
      en: 'This address leads to something that is no HTML page, so there are no links to check.',
      fa: 'این نشانی به چیزی می‌رسد که صفحهٔ \u2066HTML\u2069 نیست؛ پس پیوندی برای بررسی ندارد.',
    },
  },
  usual_seconds: 60,
  limit_seconds: 300,
  tries: 2,
  // Limited because each crawl makes many requests to other sites over the network of the bots.
  queue: { name: 'crawls', concurrency: 20 },
} as const satisfies ServiceDefinition
