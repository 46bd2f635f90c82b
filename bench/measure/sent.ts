/** When an update was sent, carried in its own words: who hears it finds the time without reading the rest. */

const MARK = '"sent '
const QUOTE = 0x22

/** The words of an update that is sent now, by a clock that all processes of a machine share. */
export const sayWhenSent = (): string => `sent ${process.hrtime.bigint()}`

/** @returns the milliseconds since an update in this JSON was sent; null when there is none in it */
export function sinceSent(json: Buffer): number | null {
  const mark = json.indexOf(MARK, 0, 'latin1')
  if (mark === -1) return null
  const from = mark + MARK.length
  const sentAt = Number(json.toString('latin1', from, json.indexOf(QUOTE, from)))
  return (Number(process.hrtime.bigint()) - sentAt) / 1_000_000
}
