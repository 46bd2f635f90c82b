/**
 * Extracts the links of a page. Pure; never throws; takes time linear in the page's size.
 *
 * Parses a stream of tags without building a tree: a tree of 400,000 nested `<div>` (2 MB) blocks parse5, and cheerio on top
 * of it, for minutes, and with it every other run of this process.
 */
import { Parser } from 'htmlparser2'
import { decodeHtml } from './decode-html.ts'

export interface Link {
  /** Absolute, without fragment and credentials; as written where that is no valid address. */
  url: string
  valid: boolean
  /** False for images, scripts, styles and the like. */
  mayBePage: boolean
}

/** Attributes that hold an address, by element. */
const ADDRESS_ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  a: ['href'],
  area: ['href'],
  link: ['href'],
  img: ['src', 'srcset'],
  script: ['src'],
  iframe: ['src'],
  frame: ['src'],
  source: ['src', 'srcset'],
  video: ['src', 'poster'],
  audio: ['src'],
  track: ['src'],
  embed: ['src'],
  object: ['data'],
}
const PAGE_ELEMENTS = new Set(['a', 'area', 'iframe', 'frame', 'link'])
/** A `<link>` to a resource that is no page, and one that only names a server and need not be answered. */
const RESOURCE_REL = /\b(stylesheet|icon|apple-touch-icon\S*|preload|modulepreload|prefetch|manifest)\b/i
const HINT_REL = /\b(preconnect|dns-prefetch)\b/i

/** The limit of browsers. The parser's time per tag grows with the depth. */
const MAX_DEPTH = 512
const CHUNK = 16_384
/** More than real pages have and a run checks. Without it many short links times a long base would take many seconds. */
const MAX_LINKS = 20_000
const MAX_URL = 8000
const MAX_BASE = 2000

/**
 * @param url of the page, after redirects
 * @param charset from the Content-Type, if it has one
 * @returns each address once, in document order
 */
export function extractLinks(
  html: Buffer,
  { url, charset }: { url: string; charset?: string | undefined },
): Link[] {
  const links = new Map<string, Link>()
  let base = url
  let hasBase = false
  let depth = 0
  let found = 0

  const add = (written: string, mayBePage: boolean): void => {
    const link = found++ < MAX_LINKS ? toLink(written, base, mayBePage) : null
    if (!link) return
    const known = links.get(link.url)
    if (known) known.mayBePage ||= mayBePage
    else links.set(link.url, link)
  }

  const parser = new Parser({
    onopentag(name, attributes) {
      depth++
      if (name === 'base' && attributes.href !== undefined && !hasBase) {
        hasBase = true
        const { href } = attributes
        if (href.length <= MAX_BASE && URL.canParse(href, url)) base = new URL(href, url).href
      }
      const rel = name === 'link' ? (attributes.rel ?? '') : ''
      if (HINT_REL.test(rel)) return
      const mayBePage = PAGE_ELEMENTS.has(name) && !RESOURCE_REL.test(rel)
      for (const attribute of Object.hasOwn(ADDRESS_ATTRIBUTES, name)
        ? (ADDRESS_ATTRIBUTES[name] ?? [])
        : []) {
        const written = attributes[attribute]
        if (written === undefined) continue
        for (const address of attribute === 'srcset' ? splitSrcset(written) : [written])
          add(address, mayBePage)
      }
    },
    onclosetag() {
      depth--
    },
  })
  const text = decodeHtml(html, charset)
  for (let at = 0; at < text.length; at += CHUNK) {
    parser.write(text.slice(at, at + CHUNK))
    if (depth <= MAX_DEPTH) continue
    parser.reset()
    depth = 0
  }
  parser.end()
  return [...links.values()]
}

/** Null for a reference that leads to no other web address: empty, a fragment, mailto:, tel:, javascript:, data: … */
function toLink(written: string, base: string, mayBePage: boolean): Link | null {
  const text = written.trim()
  if (text === '' || text.startsWith('#')) return null
  const url = text.length <= MAX_URL && URL.canParse(text, base) ? new URL(text, base) : null
  if (!url) return { url: text, valid: false, mayBePage: false }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null
  return { url: normalizeUrl(url), valid: true, mayBePage }
}

/** Removes the fragment, which is never sent, and credentials, which must never be shown. */
export function normalizeUrl(url: URL): string {
  url.hash = ''
  url.username = ''
  url.password = ''
  return url.href
}

/**
 * The addresses in a `srcset`: `a.png 1x, b.png 2x`. An address ends at white space and may contain commas (except at its
 * end), so splitting at commas would be wrong. The descriptor after it ends at the next comma.
 */
function splitSrcset(srcset: string): string[] {
  const addresses: string[] = []
  const word = /[^\s,]\S*/g
  for (let found = word.exec(srcset); found; found = word.exec(srcset)) {
    let end = found[0].length
    while (found[0][end - 1] === ',') end--
    addresses.push(found[0].slice(0, end))
    if (end < found[0].length) continue
    const comma = srcset.indexOf(',', word.lastIndex)
    word.lastIndex = comma < 0 ? srcset.length : comma
  }
  return addresses
}
