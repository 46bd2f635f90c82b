/** Reads JSON that another program may have overwritten: null when it is no JSON, or no object. */
export function parseObject<T extends object>(json: string | null | undefined): Partial<T> | null {
  if (json === null || json === undefined) return null
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? (value as Partial<T>) : null
  } catch {
    return null
  }
}
