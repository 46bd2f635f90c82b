/**
 * Whether requests to this server share one connection (HTTP/2, HTTP/3), as the browser says of what it has loaded from
 * there; another site's page is told so by `Timing-Allow-Origin`.
 */
export const isMultiplexed = (origin: string): boolean =>
  performance
    .getEntries()
    .some(
      (entry) =>
        entry.name.startsWith(`${origin}/`) &&
        /^h[23]/.test((entry as PerformanceResourceTiming).nextHopProtocol ?? ''),
    )
