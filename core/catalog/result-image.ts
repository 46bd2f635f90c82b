/** Images in a result. */
import { type Image, parseImage } from './image.ts'

export const MAX_IMAGE_BYTES = 100 * 1024

export const parseResultImage = (value: unknown): Image | null => parseImage(value, MAX_IMAGE_BYTES)

/** The image in a result at this path of names and indexes; null when there is none. */
export function findResultImage(result: unknown, path: readonly string[]): Image | null {
  let value = result
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return null
    value = (value as Record<string, unknown>)[part]
  }
  return parseResultImage(value)
}
