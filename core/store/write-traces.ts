/**
 * Each write is a span. The record carries the `traceparent` of its last write, so that the next write and the push of this one,
 * which other processes make, find the trace of the request. Neither the view nor the channel has it.
 */
import type { Catalog } from '../catalog/catalog.ts'
import type { RequestRecord } from '../domain/record.ts'
import type { SpanAttributes, Tracing } from '../runtime/tracing.ts'
import { attributesOf, errorAttribute } from './request-attributes.ts'

/** @param commit writes the record that it is given */
export type TraceWrite = <T extends { written: boolean }>(
  next: RequestRecord,
  commit: (traced: RequestRecord) => Promise<T>,
) => Promise<T>

export const createTraceWrite =
  (tracing: Tracing, catalog: Pick<Catalog, 'find'>): TraceWrite =>
  (next, commit) =>
    tracing.span('write', { parent: next.traceparent, attributes: describe(next, catalog) }, async (add) => {
      const result = await commit({ ...next, traceparent: tracing.traceparent() })
      // It is made again, over the newer record.
      if (!result.written) add({ 'halfway.outcome': 'conflict' })
      return result
    })

function describe(record: RequestRecord, catalog: Pick<Catalog, 'find'>): SpanAttributes {
  const { service_slug, status, step, version, error_data } = record
  const service = catalog.find(service_slug)
  return {
    ...attributesOf(record, service),
    'halfway.status': status,
    'halfway.version': version,
    ...(step !== null && {
      'halfway.step': service?.steps.some(({ id }) => id === step) ? step : 'other',
    }),
    ...(error_data && errorAttribute(error_data.code)),
  }
}
