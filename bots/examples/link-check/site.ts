/** The site of a run: everything below the folder of its start page, `https://example.com/docs/` for `…/docs/index.html`. */
export interface Site {
  origin: string
  /** Pages of the site are read; other addresses are only checked. */
  contains(url: string): boolean
  /** An address for messages: shortened, and without the query, which may be confidential. */
  show(url: string): string
}

const MAX_SHOWN = 80

export function createSite(startPage: string): Site {
  const { origin, pathname } = new URL(startPage)
  const folder = origin + pathname.slice(0, pathname.lastIndexOf('/') + 1)
  return {
    origin,
    contains: (url) => url.startsWith(folder),
    show(url) {
      if (!URL.canParse(url)) return 'an invalid address'
      const { origin: shownOrigin, host, pathname: path } = new URL(url)
      const text = shownOrigin === origin ? path : host + path
      return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text
    },
  }
}
