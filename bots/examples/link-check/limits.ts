/** Limits of one run. Tests set lower ones. */
export const LIMITS = {
  /** Pages read for their links. */
  pages: 500,
  /** Other addresses checked. */
  links: 2000,
  /** For another run of the same site to end, and for this run, which then reports what it has; together less than limit_seconds. */
  waitMs: 290_000,
  totalMs: 280_000,
  /** One request, from the lookup to the last byte read. */
  requestMs: 15_000,
  redirects: 10,
  /** How much of a page's HTML is read. */
  pageBytes: 2 * 1024 * 1024,
  /** Concurrent requests. */
  concurrency: 8,
  /** Concurrent requests to one other server: one that hangs must not block the run, and none must be flooded. */
  concurrencyPerForeignServer: 2,
  /** Between two progress reports. */
  reportEveryMs: 200,
}

export type Limits = Readonly<typeof LIMITS>
