/**
 * Spans of BullMQ by bullmq-otel: of adding a job and of processing it, below the spans of its request. Left out is what BullMQ
 * does for itself, such as waiting for a job, and what a trace must not say: a job's id is the hash of its request, and a
 * message of an error may have anything in it.
 */
import { type Context, context, SpanKind, trace } from '@opentelemetry/api'
import type { Span, Telemetry, Tracer } from 'bullmq'
import { BullMQOTelSpan, BullMQOtel } from 'bullmq-otel'

const ATTRIBUTES: ReadonlySet<string> = new Set([
  'bullmq.queue.name',
  'bullmq.queue.operation',
  'bullmq.job.name',
])
const KINDS: ReadonlySet<SpanKind> = new Set([SpanKind.PRODUCER, SpanKind.CONSUMER])

/** What runs in it belongs to the span around it. */
const NO_SPAN: Span<Context> = {
  setSpanOnContext: (around) => around,
  setAttribute() {},
  setAttributes() {},
  addEvent() {},
  recordException() {},
  end() {},
}

class BoundedSpan extends BullMQOTelSpan {
  override setAttribute(): void {}
  override setAttributes(attributes: Parameters<BullMQOTelSpan['setAttributes']>[0]): void {
    super.setAttributes(
      Object.fromEntries(Object.entries(attributes).filter(([name]) => ATTRIBUTES.has(name))),
    )
  }
  override addEvent(): void {}
  override recordException(): void {}
}

export function createQueueTelemetry(): Telemetry<Context> {
  const { tracer, contextManager } = new BullMQOtel()
  const startSpan: Tracer<Context>['startSpan'] = (name, options, parent = context.active()) => {
    const isOfRequest = options && KINDS.has(options.kind) && trace.getSpanContext(parent)
    if (!isOfRequest) return NO_SPAN
    return new BoundedSpan((tracer.startSpan(name, options, parent) as BullMQOTelSpan).span)
  }
  return { tracer: { startSpan }, contextManager }
}
