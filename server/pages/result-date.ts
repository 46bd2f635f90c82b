/** Which strings of a result are dates, and how each is to be told. */
import { z } from 'zod'

export interface ResultDate {
  /** For `<time datetime>`. */
  iso: string
  /**
   * `day`: a date, the same wherever it is read. `clock`: day and time of a place that is not named, told as they stand.
   * `moment`: a point in time, told by the viewer's own clock.
   */
  style: 'day' | 'clock' | 'moment'
}

const day = z.iso.date()
const moment = z.union([z.iso.datetime({ offset: true }), z.iso.datetime({ offset: true, precision: -1 })])
const clock = z.iso.datetime({ local: true })

/**
 * Dates of other calendars are written in the same form: a year before this one is taken for one of theirs, of which
 * 1405 is the likeliest here, and left as it is.
 */
const FIRST_YEAR = 1600

/** Null for what is no ISO 8601 date. */
export function parseResultDate(text: string): ResultDate | null {
  if (Number(text.slice(0, 4)) < FIRST_YEAR) return null
  if (day.safeParse(text).success) return { iso: text, style: 'day' }
  if (moment.safeParse(text).success) return { iso: new Date(text).toISOString(), style: 'moment' }
  // HTML knows no more than milliseconds.
  if (clock.safeParse(text).success) return { iso: text.replace(/(\.\d{3})\d+$/, '$1'), style: 'clock' }
  return null
}
