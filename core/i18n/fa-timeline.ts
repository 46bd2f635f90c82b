import type { enTimeline } from './en-timeline.ts'

export const faTimeline: Record<keyof typeof enTimeline, string> = {
  'live.silence_advice':
    'شاید کار هنوز به نتیجه برسد. می‌توانید منتظر بمانید یا درخواست را لغو کنید و بعداً دوباره امتحان کنید.',
  'live.as_of.reconnecting': 'در حال اتصال دوباره… آخرین خبر: ساعت {time}',
  'live.as_of.degraded': 'سرویس مشکلی دارد. آخرین خبر: ساعت {time}',
  'live.as_of.offline': 'اینترنت شما قطع است. آخرین خبر: ساعت {time}',
  'message.code_needed': 'برای ادامه، کد تأیید لازم است.',
  'message.code_received': 'کد شما رسید؛ در حال بررسی آن هستیم…',
  'message.starting_over': 'شروع دوباره (تلاش\u00a0{attempt, number}\u00a0از\u00a0{max, number}).',
  'timeline.title': 'روند انجام کار',
  'timeline.show': 'نمایش روند کار تا اینجا',
  'timeline.earlier': 'پیام‌های قدیمی‌تر دیگر نگه داشته نمی‌شوند.',
  'failed.attempt_message': 'تلاش {attempt, number}: \u2068{message}\u2069',
  'failed.step': 'اینجا متوقف شد',
  'failed.not_reached': 'به این مرحله نرسید',
  'failed.help': 'اگر کمک می‌خواهید، این کد پیگیری را بگویید:',
  'failed.contact': 'راه تماس:',
  'live.resends_left.code':
    '{left, plural, =0 {دیگر نمی‌توان کد جدید فرستاد.} other {# بار دیگر می‌توانید کد جدید بگیرید{seconds, plural, =0 {.} other {؛ # ثانیهٔ دیگر.}}}}',
  'live.timeline.started': 'کار شروع شد.',
  'live.timeline.attempt': 'تلاش {attempt, number} شروع شد.',
  'live.timeline.attempt_failed': 'تلاش {attempt, number} نتیجه نداد.',
  'live.timeline.attempt_failed_because': 'تلاش {attempt, number} نتیجه نداد. {reason}',
  'live.timeline.failed': 'بدون نتیجه پایان یافت.',
  'live.timeline.failed_again': 'تلاش {attempt, number} نتیجه نداد و دیگر تلاشی نمی‌شود.',
  'live.timeline.waited': '{duration} انتظار',
  'live.timeline.cancelled_by.user': 'فرستندهٔ درخواست آن را لغو کرد.',
  'live.timeline.cancelled_by.operator': 'مسئول سامانه آن را لغو کرد.',
  'live.timeline.cancelled_by.deadline': 'مهلتش تمام شد و متوقف شد.',
  'live.timeline.cancelled_by.superseded': 'درخواست دیگری جای آن را گرفت.',
  'live.timeline.cancelled_by.unknown': 'لغو شد.',
  'live.resends_left.text':
    '{left, plural, =0 {دیگر نمی‌توان دوباره فرستاد.} other {# بار دیگر می‌توان فرستاد{seconds, plural, =0 {.} other {؛ # ثانیهٔ دیگر.}}}}',
  'live.resends_left.image':
    '{left, plural, =0 {دیگر تصویر تازه‌ای نمی‌توان گرفت.} other {# بار دیگر می‌توانید تصویر تازه بخواهید{seconds, plural, =0 {.} other {؛ # ثانیهٔ دیگر.}}}}',
  'message.answer_needed': 'برای ادامه، پاسخ شما لازم است.',
}
