/** Images as base64 in a `data:` address. No SVG, which can contain scripts. */

export interface Image {
  /** The media type. */
  type: string
  bytes: Buffer
}

const DATA_URL = /^data:image\/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/]+={0,2})$/
const LONGEST_PREFIX = 'data:image/jpeg;base64,'.length

/** The first bytes of each format; `?` is any. */
const SIGNATURES: Readonly<Record<string, string>> = {
  png: '\x89PNG\r\n\x1a\n',
  jpeg: '\xff\xd8\xff',
  gif: 'GIF8',
  webp: 'RIFF????WEBP',
}

/** @returns null for a value that is no image of a supported format, or a too large one */
export function parseImage(value: unknown, maxBytes: number): Image | null {
  if (typeof value !== 'string' || value.length > Math.ceil(maxBytes / 3) * 4 + LONGEST_PREFIX) return null
  const [, format = '', base64 = ''] = DATA_URL.exec(value) ?? []
  const bytes = Buffer.from(base64, 'base64')
  const signature = SIGNATURES[format]
  const isImage = signature && [...signature].every((c, i) => c === '?' || c.charCodeAt(0) === bytes[i])
  return isImage && bytes.length <= maxBytes ? { type: `image/${format}`, bytes } : null
}
