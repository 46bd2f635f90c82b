/** Freezes an object with all its parts, except for bytes, which cannot be frozen. */
export function deepFreeze<T extends object>(value: T): T {
  if (Buffer.isBuffer(value)) return value
  for (const part of Object.values(value)) if (part && typeof part === 'object') deepFreeze(part)
  return Object.freeze(value)
}
