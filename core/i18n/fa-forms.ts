/** The Persian texts of the list of services and of forms. */

export const faForms = {
  'services.title': 'چه کاری برایتان انجام دهیم؟',
  'services.lead':
    'هر کدام کمی زمان می‌برد. می‌توانید همهٔ مراحل را دنبال کنید، صفحه را ببندید و هر وقت خواستید برگردید.',
  'services.list': 'سرویس‌ها',
  'services.none': 'اکنون سرویسی برای انتخاب نیست. لطفاً بعداً دوباره سر بزنید.',
  'services.closed': 'فعلاً بسته',
  'services.asks_for_code': 'با کد تأیید',
  'form.before': 'پیش از شروع',
  'form.may_take_longer':
    'این سرویس اکنون پاسخ نمی‌دهد و ممکن است کار بیشتر طول بکشد. با این حال می‌توانید فرم را بفرستید.',
  'form.held': 'درخواست‌ها پذیرفته می‌شوند، اما فعلاً شروع نمی‌شوند.',
  'form.failing': 'این سرویس فعلاً کار نمی‌کند. لطفاً بعداً دوباره تلاش کنید.',
  'form.usually': 'این کار معمولاً {duration} طول می‌کشد.',
  'form.lately': 'این کار اخیراً {duration} طول کشیده است.',
  'form.waiting': 'اکنون {count, number} درخواست در صف است.',
  'form.waiting_for': 'اکنون {count, number} درخواست در صف است: {duration} تا شروع درخواست شما.',
  'form.asks_for_code':
    'در میانهٔ کار کد تأییدی از شما خواسته می‌شود؛ لطفاً تلفن همراهتان را در دسترس داشته باشید.',
  'form.kept': 'اطلاعات شما و نتیجه تا {duration} نگه داشته و سپس پاک می‌شود.',
  'form.example': '(مثلاً {example})',
  'form.example_only': 'مثلاً {example}',
  'form.optional': '(اختیاری)',
  'form.choose': 'انتخاب کنید',
  'form.none': 'بدون پاسخ',
  'form.only_if': 'فقط اگر پاسخ «\u2068{label}\u2069»، «\u2068{value}\u2069» باشد.',
  'form.only_if_ticked': 'فقط اگر «\u2068{label}\u2069» را علامت زده باشید.',
  'form.only_if_not_ticked': 'فقط اگر «\u2068{label}\u2069» را علامت نزده باشید.',
  'form.secret_again': 'لطفاً \u2068{label}\u2069 را دوباره وارد کنید؛ این مورد نگه داشته نمی‌شود.',
  'form.submit': 'شروع',
  'form.error_title': 'خطا: {title}',
  'form.summary': 'لطفاً این موارد را اصلاح کنید',
  'form.kept_typed': 'آنچه وارد کرده‌اید همین‌جا مانده است.',
}
