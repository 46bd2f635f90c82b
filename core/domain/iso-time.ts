/** A UTC ISO 8601 time with milliseconds, the format of all times in records. */
export type IsoTime = string

let second = Number.NaN
let upToSecond = ''

/** Ten times faster than `Date.toISOString`: each state has several times, nearly all within the same second. */
export function toIso(ms: number): IsoTime {
  const whole = Math.floor(ms / 1000)
  if (whole !== second) {
    upToSecond = new Date(whole * 1000).toISOString().slice(0, -'000Z'.length)
    second = whole
  }
  return `${upToSecond}${String(Math.floor(ms) - whole * 1000).padStart(3, '0')}Z`
}
