/** Times of requests, the same by the server and by the browser, which knows the zone of the viewer. */

/** `time`: of the day. `second`: the same to the second. `moment`: with its day. `day`: without the time. */
export type TimeStyle = 'time' | 'second' | 'moment' | 'day'

/** A format takes longer to make than a page; there are few languages and zones. */
const formats = new Map<string, Intl.DateTimeFormat>()

/** @param timeZone by default that of this machine */
export function timeFormat(locale: string, style: TimeStyle, timeZone?: string): Intl.DateTimeFormat {
  const name = [locale, style, timeZone].join()
  const format = formats.get(name) ?? createFormat(locale, style, timeZone)
  formats.set(name, format)
  return format
}

function createFormat(locale: string, style: TimeStyle, timeZone?: string): Intl.DateTimeFormat {
  // The long form of Persian has the word for "o'clock" before the time, without which it reads as a ratio.
  const dateStyle = locale === 'fa' ? 'long' : 'medium'
  return new Intl.DateTimeFormat(locale, {
    ...((style === 'moment' || style === 'day') && { dateStyle }),
    ...(style !== 'day' && { timeStyle: style === 'second' ? 'medium' : 'short' }),
    timeZone,
  })
}

/** So soon after another time, the time of the day is clear without its date. */
const NEAR_MS = 12 * 3_600_000

/** @param since a time shown before: a `moment` on the same day, or soon after, has no date */
export function formatTime(
  locale: string,
  iso: string,
  style: TimeStyle,
  { since, timeZone }: { since?: string; timeZone?: string } = {},
): string {
  const format = (text: string, as: TimeStyle): string =>
    timeFormat(locale, as, timeZone).format(new Date(text))
  const isNear = since !== undefined && Math.abs(Date.parse(iso) - Date.parse(since)) < NEAR_MS
  const isSameDay = since !== undefined && format(iso, 'day') === format(since, 'day')
  if (style !== 'moment' || !(isNear || isSameDay)) return format(iso, style)
  const time = format(iso, 'time')
  return locale === 'fa' ? `ساعت ${time}` : time
}
