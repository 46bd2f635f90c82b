/**
 * What the server counts of its watchers and limits. Sending is the hot path: it only adds to numbers, which become metrics
 * when Prometheus reads them.
 */
import type { StatePosition } from '../core/domain/record.ts'
import type { Metrics } from '../core/runtime/metrics.ts'

const TRANSPORTS = ['websocket', 'event_stream', 'long_poll', 'poll'] as const
type Transport = (typeof TRANSPORTS)[number]
const LIMITS = [
  'submit',
  'batch',
  'action',
  'sign_in',
  'socket',
  'open_socket',
  'stream',
  'status',
  'submitter',
  'queue',
  'subject',
] as const
export type Limit = (typeof LIMITS)[number]

export interface TransportCounter {
  /** Open watches. */
  watchers: number
  deliveries: number
  /** Counts a state that was sent as soon as it was there; once for all its watchers also how long after its write that was. */
  pushed(position: StatePosition): void
}

export interface ServerMetrics {
  readonly transports: Readonly<Record<Transport, TransportCounter>>
  onLimit(limit: Limit): void
}

/** Of a server that counts nothing, for what follows the pushes. */
export const withoutMetrics = (): ServerMetrics => ({
  transports: Object.fromEntries(
    TRANSPORTS.map((transport) => [transport, { watchers: 0, deliveries: 0, pushed() {} }]),
  ) as unknown as ServerMetrics['transports'],
  onLimit() {},
})

/** @param now the clock of the records */
export function createServerMetrics(metrics: Metrics, now: () => number): ServerMetrics {
  const { watchers, deliveries, deliveryLag, rateLimitsHit, onScrape } = metrics
  for (const limit of LIMITS) rateLimitsHit.inc({ limit }, 0)

  function createCounter(transport: Transport): TransportCounter {
    const lag = deliveryLag.labels(transport)
    let measured: StatePosition | null = null
    const counter: TransportCounter = {
      watchers: 0,
      deliveries: 0,
      pushed(position) {
        counter.deliveries++
        // What waits is sent again whenever its position in the queue changes.
        if (position === measured || position.status === 'pending') return
        measured = position
        lag.observe(Math.max(0, now() - Date.parse(position.updated_at)) / 1000)
      },
    }
    onScrape(() => {
      if (transport !== 'poll') watchers.set({ transport }, counter.watchers)
      deliveries.inc({ transport }, counter.deliveries)
      counter.deliveries = 0
    })
    return counter
  }

  const counters = TRANSPORTS.map((transport) => [transport, createCounter(transport)])
  return {
    transports: Object.fromEntries(counters) as ServerMetrics['transports'],
    onLimit: (limit) => rateLimitsHit.inc({ limit }),
  }
}
