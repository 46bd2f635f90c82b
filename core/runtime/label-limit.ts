/** Keeps the values of a metric's label few. Apart from metrics.ts, so that prom-client is loaded only where it counts. */

const MAX_LABEL_VALUES = 200
/** The label of a service that has left the catalogue, and of what exceeds a limit. */
export const OTHER = 'other'

/** @returns a function that passes the first values, and makes `other` of those beyond the limit */
export function createLabelLimit(max = MAX_LABEL_VALUES): (value: string) => string {
  const known = new Set<string>()
  return (value) => {
    if (known.has(value)) return value
    if (known.size >= max) return OTHER
    known.add(value)
    return value
  }
}
