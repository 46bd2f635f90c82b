/**
 * Whether requests to this server share one connection (HTTP/2, HTTP/3), by the browser's timing of what it has loaded
 * from there. On another site's page `Timing-Allow-Origin` makes that readable.
 */
export const isMultiplexed = (origin: string): boolean =>
  performance
    .getEntries()
    .some(
      (entry) =>
        entry.name.startsWith(`${origin}/`) &&
        /^h[23]/.test((entry as PerformanceResourceTiming).nextHopProtocol ?? ''),
    )
