/** Decodes a page like a browser: by its byte order mark, else the Content-Type, else its own declaration, else as UTF-8. */

/** A declaration counts only in this many first bytes. */
const DECLARED_WITHIN = 1024

/** @param charset from the Content-Type; may be missing or invalid */
export function decodeHtml(html: Buffer, charset: string | undefined): string {
  const head = html.subarray(0, DECLARED_WITHIN).toString('latin1')
  const declared = /<meta[^>]+charset\s*=\s*["']?\s*([\w:.-]+)/i.exec(head)?.[1]
  const decoder = byteOrderMark(html) ?? decoderFor(charset) ?? decoderFor(declared) ?? new TextDecoder()
  return decoder.decode(html)
}

function byteOrderMark(html: Buffer): TextDecoder | null {
  if (html[0] === 0xef && html[1] === 0xbb && html[2] === 0xbf) return new TextDecoder()
  if (html[0] === 0xff && html[1] === 0xfe) return new TextDecoder('utf-16le')
  if (html[0] === 0xfe && html[1] === 0xff) return new TextDecoder('utf-16be')
  return null
}

function decoderFor(label: string | undefined): TextDecoder | null {
  if (!label) return null
  try {
    return new TextDecoder(label)
  } catch {
    return null
  }
}
