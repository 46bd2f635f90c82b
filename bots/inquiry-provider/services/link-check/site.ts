/** The site of a run: what lies below the folder of its start page, `https://example.com/docs/` of `…/docs/index.html`. */
export interface Site {
  origin: string
  /** Whether pages at this address are read, rather than only checked. */
  contains(url: string): boolean
  /** An address as it is shown in messages: short, and without the query, which may hold anything. */
  show(url: string): string
}

const SHOWN = 80

export function createSite(startPage: string): Site {
  const { origin, pathname } = new URL(startPage)
  const folder = origin + pathname.slice(0, pathname.lastIndexOf('/') + 1)
  return {
    origin,
    contains: (url) => url.startsWith(folder),
    show(url) {
      if (!URL.canParse(url)) return 'an invalid address'
      const { origin: itsOrigin, host, pathname: path } = new URL(url)
      const text = itsOrigin === origin ? path : host + path
      return text.length > SHOWN ? `${text.slice(0, SHOWN - 1)}…` : text
    },
  }
}
