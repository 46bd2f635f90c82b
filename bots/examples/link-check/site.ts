import { readableAddress } from '../../../core/presentation/readable-address.ts'

/** The site of a run: everything below the folder of its start page, `https://example.com/docs/` for `…/docs/index.html`. */
export interface Site {
  origin: string
  /** Pages of the site are read; other addresses are only checked. */
  contains(url: string): boolean
  /** An address for messages: shortened to one line of a phone, and without the query, which may be confidential. */
  show(url: string): string
}

const MAX_SHOWN = 28

export function createSite(startPage: string): Site {
  const { origin, pathname } = new URL(startPage)
  const folder = origin + pathname.slice(0, pathname.lastIndexOf('/') + 1)
  return {
    origin,
    contains: (url) => url.startsWith(folder),
    show(url) {
      const text = readableAddress(
        URL.canParse(url) ? nameOf(new URL(url), origin) : url.replace(/[?#].*/s, ''),
      )
      if (text.length <= MAX_SHOWN) return text
      // The host and the end say more than the folders between.
      const start = text.slice(0, Math.min(text.indexOf('/') + 1 || MAX_SHOWN, MAX_SHOWN - 9))
      return `${start}…${text.slice(start.length + 1 - MAX_SHOWN)}`
    },
  }
}

const nameOf = ({ origin, host, pathname }: URL, shownOrigin: string): string =>
  origin === shownOrigin ? pathname : host + pathname
