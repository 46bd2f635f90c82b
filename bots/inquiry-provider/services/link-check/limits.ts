/** How much one run may take. Tests give shorter ones. */
export const LIMITS = {
  /** Pages read for their links. */
  pages: 500,
  /** Other addresses checked. */
  links: 2000,
  /** A run ends with what it has before its worker gives up on it at 300 s. */
  totalMs: 280_000,
  /** One request, from the name's lookup to the last byte we want. */
  requestMs: 15_000,
  redirects: 10,
  /** How much of a page's HTML is read. */
  pageBytes: 2 * 1024 * 1024,
  /** Requests at the same time. */
  concurrency: 8,
  /** The same, to one server that is not the site's own: a hanging one must not hold up all, nor a good one be flooded. */
  concurrencyPerForeignServer: 2,
  /** Between two reports. */
  reportEveryMs: 200,
}

export type Limits = Readonly<typeof LIMITS>
