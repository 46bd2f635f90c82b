/** Pictures for questions, as `data:` addresses. */

/** One pixel. */
export const PNG =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=='
export const GIF = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'
export const SVG = `data:image/svg+xml;base64,${Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>').toString('base64')}`

/** A PNG of this many bytes; only its beginning is valid. */
export function pngOfBytes(bytes: number): string {
  const content = Buffer.alloc(bytes)
  Buffer.from(PNG.replace(/^.*,/, ''), 'base64').copy(content)
  return `data:image/png;base64,${content.toString('base64')}`
}
