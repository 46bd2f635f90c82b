/** Pieces of HTML that templates insert into sentences. All of them escape their input. */

import type { TextKey } from '../../core/i18n/en.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { escapeHtml } from './templates.ts'

type TimeStyle = 'time' | 'moment' | 'day' | 'clock'

export interface HtmlParts {
  /** A text whose parameters are pieces of HTML. */
  fill(key: TextKey, parts: Record<string, string>): string
  /**
   * `time` (of day) and `moment`: in UTC, until the browser converts them to the viewer's time zone. `day` and `clock` (a local
   * day and time): unchanged.
   */
  time(iso: string, style: TimeStyle): string
  /** For ids, codes and phone numbers, which read left to right in any language. */
  ltr(text: string): string
  /** JSON for a script data block, escaped so that it cannot end the element. */
  json(value: unknown): string
}

export function createHtmlParts({ t, locale }: Texts): HtmlParts {
  const moment = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })
  const formats = {
    time: new Intl.DateTimeFormat(locale, { timeStyle: 'short', timeZone: 'UTC' }),
    moment,
    day: new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone: 'UTC' }),
    clock: moment,
  }
  return {
    fill(key, parts) {
      const names = Object.keys(parts)
      // Private-use characters stand in for the parts while the sentence is formatted and escaped.
      const placeholders = Object.fromEntries(names.map((name, i) => [name, String.fromCharCode(0xe000 + i)]))
      return escapeHtml(t(key, placeholders)).replace(
        /[\uE000-\uE00F]/g,
        (mark) => parts[names[mark.charCodeAt(0) - 0xe000]!] ?? '',
      )
    },
    time(iso, style) {
      const datetime = `datetime="${escapeHtml(iso)}"`
      if (style === 'day' || style === 'clock') {
        // Parsed and formatted as UTC, so that it stays unchanged.
        const words = formats[style].format(new Date(style === 'day' ? iso : `${iso}Z`))
        return `<time ${datetime}>${escapeHtml(words)}</time>`
      }
      const words = t('site.time_utc', { time: formats[style].format(new Date(iso)) })
      return `<time ${datetime} data-local="${style}">${escapeHtml(words)}</time>`
    },
    ltr: (text) => `<bdi dir="ltr">${escapeHtml(text)}</bdi>`,
    json: (value) =>
      JSON.stringify(value).replace(
        /[<\u2028\u2029]/g,
        (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
      ),
  }
}
