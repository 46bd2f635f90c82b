/** The few pieces of HTML that templates put into the middle of a sentence. All escape what they are given. */

import type { TextKey } from '../../core/i18n/en.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { escapeHtml } from './templates.ts'

type TimeStyle = 'time' | 'moment' | 'day' | 'clock'

export interface HtmlParts {
  /** A text with pieces of HTML in the place of its parameters. */
  fill(key: TextKey, parts: Record<string, string>): string
  /**
   * A `time` of day or a `moment` in UTC, until the browser puts the viewer's own zone in its place; a `day`, or one
   * with the time that a `clock` shows, as it is.
   */
  time(iso: string, style: TimeStyle): string
  /** Ids, codes and phone numbers read left to right in any language. */
  ltr(text: string): string
  /** JSON for a data block: nothing in it can end the element it stands in. */
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
      // Private-use characters keep the places while the sentence is formatted and escaped.
      const placeholders = Object.fromEntries(names.map((name, i) => [name, String.fromCharCode(0xe000 + i)]))
      return escapeHtml(t(key, placeholders)).replace(
        /[\uE000-\uE00F]/g,
        (mark) => parts[names[mark.charCodeAt(0) - 0xe000]!] ?? '',
      )
    },
    time(iso, style) {
      const datetime = `datetime="${escapeHtml(iso)}"`
      if (style === 'day' || style === 'clock') {
        // Read as if it were UTC, and told as UTC: nothing moves.
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
