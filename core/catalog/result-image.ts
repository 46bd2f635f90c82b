/** Images in a result: base64 in a `data:` address. No SVG, which can contain scripts. */

export interface ResultImage {
  /** The media type. */
  type: string
  bytes: Buffer
}

export const MAX_IMAGE_BYTES = 100 * 1024

const DATA_URL = /^data:image\/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/]+={0,2})$/
const MAX_CHARACTERS = Math.ceil(MAX_IMAGE_BYTES / 3) * 4 + 'data:image/jpeg;base64,'.length

/** The first bytes of each format; `?` is any. */
const SIGNATURES: Readonly<Record<string, string>> = {
  png: '\x89PNG\r\n\x1a\n',
  jpeg: '\xff\xd8\xff',
  gif: 'GIF8',
  webp: 'RIFF????WEBP',
}

/** @returns null for a value that is no image of a supported format, or a too large one */
export function parseResultImage(value: unknown): ResultImage | null {
  if (typeof value !== 'string' || value.length > MAX_CHARACTERS) return null
  const [, format = '', base64 = ''] = DATA_URL.exec(value) ?? []
  const bytes = Buffer.from(base64, 'base64')
  const signature = SIGNATURES[format]
  const isImage = signature && [...signature].every((c, i) => c === '?' || c.charCodeAt(0) === bytes[i])
  return isImage && bytes.length <= MAX_IMAGE_BYTES ? { type: `image/${format}`, bytes } : null
}

/** The image in a result at this path of names and indexes; null when there is none. */
export function findResultImage(result: unknown, path: readonly string[]): ResultImage | null {
  let value = result
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return null
    value = (value as Record<string, unknown>)[part]
  }
  return parseResultImage(value)
}
