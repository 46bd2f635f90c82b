/** Why a link is not fine, and why a run is not complete, by code: HTTP statuses, and the failures of failure.ts. */

const reason = <Code extends string>(value: Code, en: string, fa: string) => ({ value, label: { en, fa } })

export const LINK_REASONS = [
  reason('http_400', 'Bad request', 'درخواست نادرست'),
  reason('http_401', 'Only for visitors who sign in', 'فقط با ورود به حساب'),
  reason('http_403', 'Access refused', 'دسترسی مجاز نیست'),
  reason('http_404', 'Not found', 'پیدا نشد'),
  reason('http_405', 'Method not allowed', 'روش درخواست مجاز نیست'),
  reason('http_407', 'Only through a proxy', 'فقط از راه پراکسی'),
  reason('http_408', 'The server waited too long', 'سرور بیش از اندازه منتظر ماند'),
  reason('http_410', 'Removed for good', 'برای همیشه حذف شده'),
  reason('http_429', 'Too many requests', 'درخواست‌های بیش از حد'),
  reason('http_451', 'Blocked for legal reasons', 'مسدود به دلیل قانونی'),
  reason('http_500', 'Error of the server', 'خطای سرور'),
  reason('http_501', 'Not supported by the server', 'سرور پشتیبانی نمی‌کند'),
  reason('http_502', 'The server behind it does not answer properly', 'پاسخ نادرست از سرور پشتی'),
  reason('http_503', 'The server is not available', 'سرور در دسترس نیست'),
  reason('http_504', 'The server behind it does not answer in time', 'سرور پشتی به‌موقع پاسخ نداد'),
  reason('http_999', 'Refused for programs', 'برای برنامه‌ها بسته است'),
  reason('private_address', 'Not checked: private address', 'بررسی نشد: نشانی خصوصی'),
  reason('port_not_allowed', 'Not checked: not a port of websites', 'بررسی نشد: درگاه ویژهٔ وب‌گاه نیست'),
  reason(
    'robots_denied',
    'Not checked: excluded by robots.txt',
    'بررسی نشد: با \u2066robots.txt\u2069 منع شده',
  ),
  reason('not_http', 'Not checked: leads to no web page', 'بررسی نشد: به صفحهٔ وب نمی‌رسد'),
  reason('page_cut', 'Read in part: the page is too long', 'بخشی خوانده شد: صفحه بسیار بلند است'),
  reason('invalid_address', 'Not a valid address', 'نشانی نامعتبر'),
  reason('timed_out', 'No answer in time', 'به‌موقع پاسخ نداد'),
  reason('dns_failed', 'No such server name', 'سروری با این نام نیست'),
  reason('dns_unavailable', 'The server name could not be looked up', 'نام سرور پیدا نشد'),
  reason('connection_refused', 'The server refused the connection', 'سرور ارتباط را نپذیرفت'),
  reason('connection_lost', 'The server closed the connection', 'سرور ارتباط را بست'),
  reason('unreachable', 'No way to this server', 'راهی به این سرور نیست'),
  reason('tls_failed', 'No valid certificate', 'گواهی معتبر ندارد'),
  reason('bad_answer', 'No proper HTTP', 'پاسخ نادرست'),
  reason('bad_redirect', 'Redirects to no valid address', 'به نشانی نامعتبری هدایت می‌کند'),
  reason('redirect_loop', 'Redirects in a circle', 'در یک حلقه هدایت می‌کند'),
  reason('too_many_redirects', 'Redirects too many times', 'بارها هدایت می‌کند'),
  reason('request_failed', 'The request failed', 'درخواست ناموفق بود'),
]

/** Why not everything was checked; the first that applies is reported. */
export const TRUNCATIONS = [
  reason('time_limit', 'The time was over', 'زمان به پایان رسید'),
  reason('link_limit', 'More links than one run checks', 'پیوندها بیش از حد یک بررسی بود'),
  reason(
    'page_limit',
    'More pages than one run reads; the links to the others were checked',
    'صفحه‌ها بیش از حد یک بررسی بود؛ پیوندهای بقیه بررسی شد',
  ),
]

export type Truncation = (typeof TRUNCATIONS)[number]['value']
