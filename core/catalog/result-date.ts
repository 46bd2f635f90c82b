/** Recognises dates among the strings of a result. */
import { z } from 'zod'

export interface ResultDate {
  /** For `<time datetime>`. */
  iso: string
  /**
   * `day`: a date, the same in every time zone. `clock`: day and time without a time zone, shown unchanged. `moment`: a point
   * in time, shown in the viewer's time zone.
   */
  style: 'day' | 'clock' | 'moment'
}

const day = z.iso.date()
const moment = z.union([z.iso.datetime({ offset: true }), z.iso.datetime({ offset: true, precision: -1 })])
const clock = z.iso.datetime({ local: true })

/**
 * Earlier years are left as text: they probably belong to another calendar, whose dates have the same form (2026 is 1405 in
 * the Persian calendar).
 */
const FIRST_YEAR = 1600

/** @returns null for text that is no ISO 8601 date */
export function parseResultDate(text: string): ResultDate | null {
  if (Number(text.slice(0, 4)) < FIRST_YEAR) return null
  if (day.safeParse(text).success) return { iso: text, style: 'day' }
  if (moment.safeParse(text).success) return { iso: new Date(text).toISOString(), style: 'moment' }
  // `<time datetime>` allows at most milliseconds.
  if (clock.safeParse(text).success) return { iso: text.replace(/(\.\d{3})\d+$/, '$1'), style: 'clock' }
  return null
}
