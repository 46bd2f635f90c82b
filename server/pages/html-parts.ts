/** Pieces of HTML that templates insert into sentences. All of them escape their input. */

import type { TextKey } from '../../core/i18n/en.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { formatTime } from '../../core/presentation/format-time.ts'
import { escapeHtml } from './templates.ts'

type TimeStyle = 'time' | 'second' | 'moment' | 'day' | 'clock'

export interface HtmlParts {
  /** A text whose parameters are pieces of HTML. */
  fill(key: TextKey, parts: Record<string, string>): string
  /**
   * `time` (of day), `second` (of day) and `moment`: in the zone of the site, until the browser converts them to the viewer's
   * time zone. `day` and `clock` (a local day and time): unchanged.
   *
   * @param since a time shown before, whose day a `moment` does not repeat, nor a `second` its zone
   */
  time(iso: string, style: TimeStyle, since?: string): string
  link(href: string, text: string): string
  /** For ids, codes and phone numbers, which read left to right in any language. */
  ltr(text: string): string
  /** A text that the script keeps up to date under this name. */
  live(name: string, text: string): string
  /** JSON for a script data block, escaped so that it cannot end the element. */
  json(value: unknown): string
}

/** @param timeZone IANA name, of times that the browser does not convert */
export function createHtmlParts({ t, locale }: Pick<Texts, 't' | 'locale'>, timeZone = 'UTC'): HtmlParts {
  const zone = zoneName(locale, timeZone)
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
    time(iso, style, since) {
      const datetime = `datetime="${escapeHtml(iso)}"`
      if (style === 'day' || style === 'clock') {
        // Parsed and formatted as UTC, so that it stays unchanged.
        const [text, as] = style === 'day' ? [iso, style] : [`${iso}Z`, 'moment' as const]
        const words = formatTime(locale, text, as, { timeZone: 'UTC' })
        return `<time ${datetime}>${escapeHtml(words)}</time>`
      }
      const time = formatTime(locale, iso, style, { since, timeZone })
      const words =
        style === 'second' && since ? time
        : timeZone === 'UTC' ? t('site.time_utc', { time })
        : t('site.time_in_zone', { time, zone }) // biome-ignore format: a table
      const beside = since ? ` data-since="${escapeHtml(since)}"` : ''
      return `<time ${datetime} data-local="${style}"${beside}>${escapeHtml(words)}</time>`
    },
    link: (href, text) => `<a href="${escapeHtml(href)}">${escapeHtml(text)}</a>`,
    ltr: (text) => `<bdi dir="ltr">${escapeHtml(text)}</bdi>`,
    live: (name, text) => `<span data-live="${name}">${escapeHtml(text)}</span>`,
    json: (value) =>
      JSON.stringify(value).replace(
        /[<\u2028\u2029]/g,
        (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
      ),
  }
}

/** The name of a zone for people: "Iran Time", «وقت ایران». */
function zoneName(locale: string, timeZone: string): string {
  const parts = new Intl.DateTimeFormat(locale, { timeZone, timeZoneName: 'shortGeneric' }).formatToParts()
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? timeZone
}
