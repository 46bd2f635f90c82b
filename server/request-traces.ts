/** Spans of the server: of a submit, and of a push. Calls with a `traceparent` header are continued. */
import type { RequestHandler } from 'express'
import type { Catalog } from '../core/catalog/catalog.ts'
import type { StatePosition } from '../core/domain/record.ts'
import type { Tracing } from '../core/runtime/tracing.ts'
import { attributesOf, errorAttribute } from '../core/store/request-attributes.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import type { ServerMetrics, TransportCounter } from './server-metrics.ts'
import type { Submit } from './submit-request.ts'

export const continueTraces =
  ({ continueTrace }: Pick<Tracing, 'continueTrace'>): RequestHandler =>
  (req, _res, next) =>
    continueTrace(req.get('traceparent'), next)

export const traceSubmits = (submit: Submit, tracing: Tracing | undefined): Submit =>
  tracing === undefined
    ? submit
    : (submission) =>
        tracing.span('submit', { kind: 'server' }, async (add) => {
          try {
            const submitted = await submit(submission)
            // The service is known: the submit was accepted.
            add(attributesOf(submitted.view, {}))
            return submitted
          } catch (error) {
            add(errorAttribute((error as { code?: unknown }).code))
            throw error
          }
        })

/**
 * Makes a span of each state that a transport has sent, for all its watchers together. It is a child of the write, which the
 * record names: the message that was pushed does not. Where a newer write has followed already, it is a child of that one.
 */
export function tracePushes(
  metrics: ServerMetrics,
  { tracing, store, catalog }: { tracing: Tracing; store: Pick<RequestStore, 'read'>; catalog: Catalog },
): ServerMetrics {
  async function trace(transport: string, position: StatePosition, startedAt: number): Promise<void> {
    const endedAt = Date.now()
    const stored = await store.read(position.hash).catch(() => null)
    if (!stored) return
    const { record } = stored
    tracing.spanBetween('push', startedAt, endedAt, {
      kind: 'producer',
      parent: record.traceparent,
      attributes: {
        ...attributesOf({ ...record, attempt: position.attempt }, catalog.find(record.service_slug)),
        'halfway.status': position.status,
        'halfway.version': position.version,
        'halfway.transport': transport,
      },
    })
  }

  function follow(transport: string, counter: TransportCounter): void {
    const { pushed } = counter
    let traced: StatePosition | null = null
    counter.pushed = (position) => {
      pushed(position)
      // What waits is sent again whenever its position in the queue changes.
      if (position === traced || position.status === 'pending') return
      traced = position
      // Once it is sent to all watchers, which happens in this tick.
      setImmediate(trace, transport, position, Date.now())
    }
  }
  for (const [transport, counter] of Object.entries(metrics.transports)) follow(transport, counter)
  return metrics
}
