import type { ServiceDefinition } from '../../../core/catalog/service-definition.ts'
import { LINK_REASONS, TRUNCATIONS } from './reasons.ts'

/** The page on which a link stands first, and the number of others. */
const PLACE_COLUMNS = [
  { name: 'found_on', type: 'url', label: { en: 'On the page', fa: 'در صفحهٔ' } },
  { name: 'also_on', type: 'number', label: { en: 'Other pages', fa: 'صفحه‌های دیگر' } },
] as const
const PROBLEM_COLUMNS = [
  { name: 'url', type: 'url', label: { en: 'Address', fa: 'نشانی' } },
  { name: 'code', type: 'choice', label: { en: 'Reason', fa: 'دلیل' }, options: LINK_REASONS },
  { name: 'status', type: 'number', label: { en: 'Status', fa: 'وضعیت' } },
  ...PLACE_COLUMNS,
] as const

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
      {
        name: 'broken_total',
        type: 'number',
        label: { en: 'Broken links', fa: 'پیوندهای خراب' },
        ranges: [
          { from: 0, label: { en: 'Every link works', fa: 'همهٔ پیوندها سالم‌اند' }, tone: 'good' },
          { from: 1, label: { en: 'Need fixing', fa: 'نیازمند اصلاح' }, tone: 'poor' },
        ],
      },
      { name: 'start_url', type: 'url', label: { en: 'Start page', fa: 'صفحهٔ نخست' } },
      { name: 'pages_checked', type: 'number', label: { en: 'Pages checked', fa: 'صفحه‌های بررسی‌شده' } },
      { name: 'links_checked', type: 'number', label: { en: 'Links checked', fa: 'پیوندهای بررسی‌شده' } },
      {
        name: 'links_not_checked',
        type: 'number',
        label: { en: 'Links not checked', fa: 'پیوندهای بررسی‌نشده' },
      },
      {
        name: 'truncated_code',
        type: 'choice',
        label: { en: 'Not everything was checked', fa: 'دلیل ناتمام ماندن' },
        options: TRUNCATIONS,
      },
      { name: 'duration_seconds', type: 'duration', label: { en: 'Checking time', fa: 'مدت بررسی' } },
      {
        name: 'broken',
        type: 'table',
        label: { en: 'Broken links', fa: 'پیوندهای خراب' },
        total: 'broken_total',
        group_by: 'found_on',
        columns: PROBLEM_COLUMNS,
      },
      {
        name: 'unsure',
        type: 'table',
        label: { en: 'Not certain', fa: 'نامشخص' },
        total: 'unsure_total',
        group_by: 'found_on',
        columns: PROBLEM_COLUMNS,
      },
      {
        name: 'redirected',
        type: 'table',
        label: { en: 'Redirected links', fa: 'پیوندهای جابه‌جاشده' },
        total: 'redirected_total',
        group_by: 'found_on',
        columns: [
          { name: 'url', type: 'url', label: { en: 'Address', fa: 'نشانی' } },
          { name: 'to', type: 'url', label: { en: 'Leads to', fa: 'مقصد' } },
          { name: 'status', type: 'number', label: { en: 'Status', fa: 'وضعیت' } },
          ...PLACE_COLUMNS,
        ],
      },
      {
        name: 'skipped',
        type: 'table',
        label: { en: 'Skipped', fa: 'کنارگذاشته‌شده' },
        total: 'skipped_total',
        columns: [
          { name: 'url', type: 'url', label: { en: 'Address', fa: 'نشانی' } },
          { name: 'code', type: 'choice', label: { en: 'Reason', fa: 'دلیل' }, options: LINK_REASONS },
        ],
      },
      {
        name: 'slowest',
        type: 'table',
        label: { en: 'Slowest answers', fa: 'کندترین پاسخ‌ها' },
        columns: [
          { name: 'url', type: 'url', label: { en: 'Address', fa: 'نشانی' } },
          {
            name: 'seconds',
            type: 'number',
            label: { en: 'Time', fa: 'زمان' },
            decimals: 1,
            unit: { en: 's', fa: 'ثانیه' },
          },
        ],
      },
    ],
  },
  messages: {
    opening_site: { en: 'Opening {host}', fa: 'در حال باز کردن \u2066{host}\u2069' },
    start_page_read: { en: 'The start page was read', fa: 'صفحهٔ نخست خوانده شد' },
    // Three lines each, which fit on a phone: the counts change and nothing moves.
    pages_read: {
      en: '{left, plural, =0 {{read, number} of {found, plural, one {# page} other {# pages}} read} other {All {found, number} pages read, # links left}}\nNo broken links so far, now at:\n{link}',
      fa: '{left, plural, =0 {{read, number} از {found, number} صفحه خوانده شد} other {هر {found, number} صفحه خوانده شد، # پیوند مانده}}\nهنوز پیوند خرابی پیدا نشده؛ اکنون:\n\u2066{link}\u2069',
    },
    pages_read_last_broken: {
      en: '{left, plural, =0 {{read, number} of {found, plural, one {# page} other {# pages}} read} other {All {found, number} pages read, # links left}}\n{broken, plural, one {# broken link} other {# broken links}} so far, the latest:\n{link}',
      fa: '{left, plural, =0 {{read, number} از {found, number} صفحه خوانده شد} other {هر {found, number} صفحه خوانده شد، # پیوند مانده}}\nتا اینجا {broken, number} پیوند خراب پیدا شد؛ آخرین:\n\u2066{link}\u2069',
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
    port_not_allowed: {
      en: 'This address names a port that is not called; only the usual ports of websites are.',
      fa: 'درگاه این نشانی بررسی نمی‌شود؛ فقط درگاه‌های معمول وب‌گاه‌ها بررسی می‌شوند.',
    },
    robots_denied: {
      en: 'The robots.txt of this site excludes this page from being read by programs, or could not be read.',
      fa: 'فایل \u2066robots.txt\u2069 این وب‌گاه خواندن این صفحه را برای برنامه‌ها منع کرده یا خوانده نشد.',
    },
    waiting_for_site: {
      en: 'Another check of {host} is running; this one starts after it',
      fa: 'بررسی دیگری از \u2066{host}\u2069 در حال انجام است؛ این بررسی پس از آن شروع می‌شود',
    },
    site_busy: {
      en: 'Other checks of {host} took too long. Please try again later.',
      fa: 'بررسی‌های دیگر \u2066{host}\u2069 بیش از اندازه طول کشید. لطفاً بعداً دوباره امتحان کنید.',
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
  // Five minutes for another run of the same site, and five for this one.
  limit_seconds: 600,
  tries: 2,
  // Limited because each crawl makes many requests to other sites over the network of the bots.
  queue: { name: 'crawls', concurrency: 20 },
} as const satisfies ServiceDefinition
